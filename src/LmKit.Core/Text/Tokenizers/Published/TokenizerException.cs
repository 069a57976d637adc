namespace LmKit;

/// <summary>A folder's tokenizer files are missing or malformed; the message names the file and the fault.</summary>
public sealed class TokenizerException : IOException
{
    /// <summary>Makes the exception from the file, its fault with the remedy, and the cause.</summary>
    public TokenizerException(string path, string fault, Exception? innerException = null)
        : base($"{path}: {fault}", innerException)
    {
    }
}

namespace LmKit;

/// <summary>Training text, or a token file made from it, cannot be used; the message names the place and the fault.</summary>
public sealed class TextDataException : IOException
{
    /// <summary>Makes the exception from the place (a file, a folder, FILE:LINE), its fault with the remedy, and the cause.</summary>
    public TextDataException(string place, string fault, Exception? innerException = null)
        : base($"{place}: {fault}", innerException)
    {
    }
}

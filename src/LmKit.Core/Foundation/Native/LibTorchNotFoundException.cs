namespace LmKit;

/// <summary>libtorch, on which every tensor depends, is missing or cannot be loaded.</summary>
public sealed class LibTorchNotFoundException : Exception
{
    /// <summary>Makes the exception with a sentence that names the remedy and the loader's own error.</summary>
    public LibTorchNotFoundException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

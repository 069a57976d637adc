namespace LmKit;

/// <summary>A chat template that cannot be read, or that refuses its messages.</summary>
/// <param name="message">What is wrong, with the place in the template where there is one.</param>
/// <param name="innerException">The cause, where there is one.</param>
public sealed class TemplateException(string message, Exception? innerException = null) : Exception(message, innerException);

namespace LmKit;

/// <summary>One prompt of indirect object identification: two names, then a clause whose subject repeats one; the other must follow.</summary>
/// <param name="Template">Index of the template.</param>
/// <param name="Io">Index of the indirect object's name.</param>
/// <param name="S">Index of the subject's name.</param>
/// <param name="IsIoFirst">Whether the indirect object is introduced first (ABB) or the subject is (BAB).</param>
/// <param name="Place">Index of the place.</param>
/// <param name="Thing">Index of the object.</param>
public sealed record IoiPrompt(int Template, int Io, int S, bool IsIoFirst, int Place, int Thing)
{
    /// <summary>Attribute values in the order of <see cref="IoiBatch.AttributeNames"/>.</summary>
    public long[] Attributes => [Io, S, IsIoFirst ? 0 : 1];
}

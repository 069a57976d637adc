namespace LmKit;

/// <summary>Which parts of a record become an example: the method itself, and the arms that it is compared with.</summary>
public enum DatasetArm
{
    /// <summary>The first half, and the teacher's continuation: the method.</summary>
    Teacher,

    /// <summary>The first half, and the document's own second half: the control.</summary>
    Original,

    /// <summary>No prompt, and the teacher's continuation.</summary>
    ResponseOnly,

    /// <summary>No prompt, and the first half: plain further training on the documents.</summary>
    FirstHalfOnly,
}

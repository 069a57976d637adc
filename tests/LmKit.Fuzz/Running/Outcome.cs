namespace LmKit.Fuzz;

/// <summary>How a reader met a file.</summary>
internal enum Outcome
{
    /// <summary>It was read.</summary>
    Accepted,

    /// <summary>The reader refused it by an exception of its own that names the file.</summary>
    Refused,

    /// <summary>Refused by an exception of its own that does not say which file is at fault.</summary>
    NoFile,

    /// <summary>An exception came through that a reader never throws on purpose.</summary>
    WrongType,

    /// <summary>It took more processor time than any file may.</summary>
    Hang,

    /// <summary>It took more memory than the file's size justifies.</summary>
    Memory,

    /// <summary>The process ended.</summary>
    Crash,
}

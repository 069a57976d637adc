namespace LmKit.Fuzz;

/// <summary>A reader under attack.</summary>
/// <param name="Name">Its name on the command line and in the corpus.</param>
/// <param name="Write">Writes its valid files: a folder for each, below the folder it is given.</param>
/// <param name="Read">Reads the files in a folder, as the valid ones of that name are read, and says what it read.</param>
internal sealed record FuzzTarget(string Name, Action<string> Write, Func<string, string, string> Read)
{
    /// <summary>Whether it reads files, so that a refusal must say which; a reader of text cannot.</summary>
    internal bool NamesFiles { get; init; } = true;

    /// <summary>Whether its whole files are another library's, which are refused too.</summary>
    internal bool IsForeign { get; init; }

    /// <summary>Judges exceptions in its own way; null judges them as refusals of files.</summary>
    internal Func<Exception, Outcome>? Judge { get; init; }

    /// <summary>Valid cases that are not in the corpus; null for a target that has its own there.</summary>
    internal IReadOnlyList<CaseFiles>? OwnSeeds { get; init; }

    /// <summary>Draws a case that is not a valid one with changes; null changes valid ones.</summary>
    internal Func<FuzzRandom, CaseFiles>? Draw { get; init; }

    /// <summary>Which files are changed; all by default.</summary>
    internal Func<string, bool> Mutates { get; init; } = _ => true;
}

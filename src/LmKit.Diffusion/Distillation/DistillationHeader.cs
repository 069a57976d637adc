namespace LmKit;

/// <summary>What a distillation's checkpoint says beside its tensors.</summary>
/// <param name="Format">The format's number.</param>
/// <param name="Method">The trainer.</param>
/// <param name="Step">Steps done.</param>
/// <param name="AverageUpdates">Updates of the student's average.</param>
/// <param name="Options">The recipe, without what another folder may change.</param>
/// <param name="Ledger">What the run had cost.</param>
/// <param name="Parts">The names of the tensor files, without their ending.</param>
internal sealed record DistillationHeader(
    int Format,
    string Method,
    long Step,
    long AverageUpdates,
    IReadOnlyDictionary<string, string> Options,
    IReadOnlyDictionary<string, long> Ledger,
    string[] Parts)
{
    internal const int PresentFormat = 2;

    /// <summary>The options that must be the same for a run to go on, as JSON by name.</summary>
    internal static Dictionary<string, string> Recipe(DistillationOptions options)
    {
        var members = OptionsJson.Write(options);
        members.Remove("checkpoint_folder");
        members.Remove("checkpoint_interval");
        return members.ToDictionary(pair => pair.Key, pair => pair.Value?.ToJsonString() ?? "null");
    }

    /// <summary>Refuses the checkpoint of another method or recipe, naming each difference.</summary>
    internal void Check(string folder, DistillationHeader mine)
    {
        var wrong = new List<TensorMismatch>();
        Compare("method", mine.Method, Method);
        if (wrong.Count == 0)
        {
            foreach (var name in mine.Options.Keys.Union(Options.Keys))
                Compare(name, mine.Options.GetValueOrDefault(name, "none"), Options.GetValueOrDefault(name, "none"));
            foreach (var name in mine.Ledger.Keys.Where(name => !Ledger.ContainsKey(name)))
                Compare($"ledger's {name}", "a count", "none");
        }
        if (wrong.Count > 0)
            throw new CheckpointMismatchException(folder, [], [], [], [], wrong);

        void Compare(string name, string expected, string found)
        {
            if (expected != found)
                wrong.Add(new TensorMismatch(name, expected, found));
        }
    }
}

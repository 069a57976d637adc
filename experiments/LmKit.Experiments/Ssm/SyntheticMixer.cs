namespace LmKit.Experiments;

/// <summary>A mixer of the synthetic suite, in the published two-layer model of width 32.</summary>
/// <param name="Name">What tables call it.</param>
/// <param name="HasPositions">Whether the model has a learned position table, as attention needs.</param>
/// <param name="Add">Adds the mixer, given the recipe's dropout.</param>
internal sealed record SyntheticMixer(string Name, bool HasPositions, Action<LanguageModelBuilder, double> Add)
{
    internal static readonly SyntheticMixer H3 = new("H3", false, (builder, _) => builder.AddH3(h3 => h3.StateDim = 64));
    internal static readonly SyntheticMixer S4D = new("S4D", false, (builder, _) => builder.AddS4D(s4d => s4d.StateDim = 64));
    internal static readonly SyntheticMixer SelectiveScan = new("selective scan", false, (builder, _) => builder.AddSelectiveScan(scan => scan.StateDim = 16));
    internal static readonly SyntheticMixer Attention = new("attention", true, (builder, dropout) => builder.AddAttention(attention => attention.DropoutRate = dropout));

    /// <summary>The model of the suite with this mixer in both layers.</summary>
    internal LanguageModel Build(SyntheticTask task, double dropout, ulong seed)
    {
        var builder = new LanguageModelBuilder { VocabSize = task.Vocabulary.Count, ModelDim = 32, LayerCount = 2 };
        builder.Options.EmbeddingDropoutRate = dropout;
        builder.Options.Seed = seed;
        Add(builder, dropout);
        if (HasPositions)
            builder.AddLearnedPositions(task.ExampleLength);
        return builder.Build();
    }
}

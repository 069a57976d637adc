using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>What an H3 checkpoint holds, and all that is wrong with it.</summary>
/// <param name="Source">The file, or a description.</param>
/// <param name="Layout">Its layout.</param>
/// <param name="Model">The sizes that its shapes say; heads and rotary as given.</param>
/// <param name="ParameterCount">Trained numbers in it, the head left out.</param>
/// <param name="HasHead">Whether it holds the head beside the embedding.</param>
/// <param name="Faults">One sentence each; none for a checkpoint that will load.</param>
public sealed record H3CheckpointReport(string Source, H3CheckpointLayout Layout, H3Preset Model, long ParameterCount, bool HasHead, IReadOnlyList<string> Faults)
{
    /// <summary>Whether nothing is wrong.</summary>
    public bool IsValid => Faults.Count == 0;

    /// <summary>The report as Markdown.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        void Row(string name, string value) => text.Append(CultureInfo.InvariantCulture, $"| {name} | {value} |\n");
        text.Append(CultureInfo.InvariantCulture, $"# {Source}\n\n| | |\n|---|---|\n");
        Row("layout", Layout == H3CheckpointLayout.Legacy ? "legacy (norms shifted)" : "published");
        Row("compared with", Model.Name);
        Row("layers x width", $"{Model.LayerCount} x {Model.ModelDim}");
        Row("vocabulary, padded", $"{Model.PaddedVocabSize}");
        Row("state, taps, head width", $"{Model.StateDim}, {Model.ShiftDim}, {Model.HeadDim}");
        Row("attention layers", Model.AttentionLayers.IsEmpty ? "none" : string.Join(", ", Model.AttentionLayers));
        Row("attention heads, rotary", $"{Model.HeadCount}, {Model.RotaryDim}");
        Row("parameters", ParameterCount.ToString("N0", CultureInfo.InvariantCulture));
        Row("head", HasHead ? "stored" : "tied, not stored");
        Row("verdict", IsValid ? "loads" : $"{Faults.Count} faults");
        foreach (var fault in Faults)
            text.Append(CultureInfo.InvariantCulture, $"\n- {fault}");
        return text.ToString();
    }
}

/// <summary>The two layouts in which H3 models were published.</summary>
public enum H3CheckpointLayout
{
    /// <summary>Names begin with <c>backbone.</c>.</summary>
    Published,

    /// <summary>Names of training checkpoints, which begin with <c>s4seq.encoder.</c>; norms stand behind what they follow.</summary>
    Legacy,
}

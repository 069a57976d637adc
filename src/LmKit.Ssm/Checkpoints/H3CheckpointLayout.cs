namespace LmKit;

/// <summary>The two layouts in which H3 models were published.</summary>
public enum H3CheckpointLayout
{
    /// <summary>Names begin with <c>backbone.</c>.</summary>
    Published,

    /// <summary>Names of training checkpoints, which begin with <c>s4seq.encoder.</c>; norms stand behind what they follow.</summary>
    Legacy,
}

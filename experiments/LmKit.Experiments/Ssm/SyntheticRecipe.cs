namespace LmKit.Experiments;

/// <summary>How a small model is trained on a synthetic task.</summary>
internal sealed record SyntheticRecipe
{
    /// <summary>Training examples, fixed for the run.</summary>
    internal int ExampleCount { get; init; } = 5_000;

    /// <summary>Test examples, none of them trained on.</summary>
    internal int TestCount { get; init; } = 500;

    /// <summary>Examples of a step.</summary>
    internal int BatchSize { get; init; } = 32;

    /// <summary>Most steps.</summary>
    internal required long Steps { get; init; }

    /// <summary>Peak learning rate; state-space parameters never go above 1e-3.</summary>
    internal required double LearningRate { get; init; }

    /// <summary>Shape of the learning rate.</summary>
    internal required LearningRateShape Shape { get; init; }

    /// <summary>Share of the peak left at the last step.</summary>
    internal double FinalShare { get; init; }

    /// <summary>Share of the steps that warm up.</summary>
    internal double WarmupShare { get; init; }

    /// <summary>Whether the loss is of the last token alone instead of the whole sequence.</summary>
    internal bool LearnsLastTokenOnly { get; init; }

    /// <summary>Dropout on the embedding, and on attention's weights.</summary>
    internal double DropoutRate { get; init; }

    /// <summary>The accuracy at which a run has shown what it is to show and ends; above 1 it never ends early.</summary>
    internal double EnoughAccuracy { get; init; } = 2;

    /// <summary>Passes through the examples between two tests.</summary>
    internal long StepsPerEpoch => (ExampleCount + BatchSize - 1) / BatchSize;

    /// <summary>The same recipe in a few steps.</summary>
    internal SyntheticRecipe Toy() => this with { ExampleCount = 64, TestCount = 32, Steps = 4 };
}

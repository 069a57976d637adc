using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The trained tensors of a diagonal state space, under one family's published names.</summary>
internal interface IDiagonalParameters
{
    ScalarType Dtype { get; }

    Device Device { get; }

    /// <summary>Heads H.</summary>
    long HeadCount { get; }

    /// <summary>Whether the published recurrence adds inputs as they are and reads out by C B-bar.</summary>
    bool HasUnitInput { get; }

    /// <summary>The tensors themselves, for noticing a change.</summary>
    IReadOnlyList<Tensor> All { get; }

    /// <summary>What they stand for, in float64 and differentiable; lives in the caller's scope.</summary>
    /// <param name="channel">Which of several readouts C.</param>
    ContinuousDiagonal Continuous(int channel);
}

namespace LmKit.DiffusionText;

/// <summary>The size of a run.</summary>
/// <param name="TeacherSteps">Steps of the teacher's training.</param>
/// <param name="WarmupSteps">Discriminator steps before the first student update.</param>
/// <param name="DidiSteps">Student updates of DiDi-Instruct.</param>
/// <param name="AblationSteps">Student updates of its one-step-rollout ablation.</param>
/// <param name="AuxiliarySteps">Student updates of the auxiliary-denoiser method.</param>
/// <param name="SdttSteps">Steps of each of five rounds of self-distillation through time.</param>
/// <param name="SampleCount">Samples of each point of a curve.</param>
internal sealed record RunSettings(long TeacherSteps, long WarmupSteps, long DidiSteps, long AblationSteps, long AuxiliarySteps, long SdttSteps, long SampleCount)
{
    /// <summary>The default run.</summary>
    internal static RunSettings Default { get; } = new(3000, 400, 1000, 250, 300, 300, 2048);

    /// <summary>A run of seconds that only shows that everything works.</summary>
    internal static RunSettings Toy { get; } = new(20, 2, 4, 2, 3, 2, 32) { StepCounts = [1, 8, 16] };

    /// <summary>Sampling steps of the curves.</summary>
    internal IReadOnlyList<int> StepCounts { get; init; } = [1, 2, 4, 8, 16, 32, 64];

    /// <summary>Whether the verdicts mean anything.</summary>
    internal bool IsFull => this == Default;
}

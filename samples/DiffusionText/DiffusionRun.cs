using System.Diagnostics;
using TorchSharp;

namespace LmKit.DiffusionText;

/// <summary>The whole run: a teacher, its students by every method asked for, their curves, the verdict.</summary>
/// <param name="settings">Its size.</param>
/// <param name="methods">Some of didi, ablation, auxiliary, sdtt; none of them measures the teacher alone.</param>
/// <param name="seeds">Seeds of DiDi-Instruct; the other methods take the first.</param>
/// <param name="cancellation">Observed between steps.</param>
internal sealed class DiffusionRun(RunSettings settings, IReadOnlyList<string> methods, IReadOnlyList<ulong> seeds, CancellationToken cancellation)
{
    private const int CandidateCount = 4;
    private const int LastRanked = 8;
    private const double LargestBound = 1.03;
    private const int SamplesPerBatch = 16; // 128 batches of 256 rows in a full run

    private readonly Report report = new();
    private readonly ChainText text = new();
    private int reproducedSeeds;
    private int reproducedRankings;

    internal Report Report => report;

    internal bool IsGuarded { get; init; }

    /// <summary>Runs it and returns the verdict.</summary>
    internal string Execute(string? teacherFile)
    {
        using var teacher = Teach(teacherFile);
        var teacherCurve = Curve("teacher", Ancestral(teacher));
        report.Add(teacherCurve);
        if (teacherFile is not null)
            report.Checks.AddRange(Windows.OfTeacher(teacherCurve));
        var distillations = new Distillations(text, settings, teacher, new StepPrinter().Report, cancellation) { IsGuarded = IsGuarded };
        foreach (var seed in methods.Contains("didi") ? seeds.Distinct() : [])
            Didi(distillations, seed);
        if (methods.Contains("ablation"))
            Ablate(distillations);
        if (methods.Contains("auxiliary"))
            Other("auxiliary denoiser, KL 1", () => distillations.Auxiliary(seeds[0]), curve => report.Checks.AddRange(Windows.OfAuxiliary(curve)));
        if (methods.Contains("sdtt"))
            Other("SDTT, 5 rounds", () => distillations.Sdtt(seeds[0]), _ => { });
        return Judge();
    }

    private LanguageModel Teach(string? file)
    {
        var clock = Stopwatch.StartNew();
        var teacher = file is null ? Teacher.Train(text, settings.TeacherSteps, seeds[0], new StepPrinter(), cancellation) : Teacher.Read(file);
        var bound = Teacher.Bound(text, teacher, Math.Max(1, settings.SampleCount / SamplesPerBatch));
        if (file is null)
            report.Say($"Teacher trained from scratch, {settings.TeacherSteps} steps in {clock.Elapsed.TotalSeconds:F0} s, seed {seeds[0]}: bound {bound} nats a token (the text's own: {text.Chain.EntropyPerToken(ChainText.Length):F4}).");
        else
            report.Say($"Teacher read from {Path.GetFileName(file)}: bound {bound} nats a token (the text's own: {text.Chain.EntropyPerToken(ChainText.Length):F4}).");
        if (file is null)
            report.Checks.Add(new Window("teacher, bound in nats a token", bound.Value, High: LargestBound));
        return teacher;
    }

    private void Didi(Distillations distillations, ulong seed)
    {
        var clock = Stopwatch.StartNew();
        var (student, discriminator) = distillations.Didi(seed);
        var minutes = clock.Elapsed.TotalMinutes;
        using var network = student.Transformer;
        using var guide = discriminator;
        Costs($"DiDi, seed {seed}", student, clock.Elapsed);
        var curve = Curve($"DiDi, seed {seed}", Ancestral(network));
        var reranked = Curve($"DiDi, seed {seed}, re-ranking M={CandidateCount}", Reranking(network, guide), LastRanked);
        report.Add(curve);
        report.Add(reranked);
        Window[] windows = [.. Windows.OfStudent(curve), new($"{curve.Name}, minutes", minutes, High: Windows.LongestMinutes)];
        Window[] rankingWindows = [.. Windows.OfReranking(reranked, curve)];
        reproducedSeeds += windows.All(window => window.Holds) ? 1 : 0;
        reproducedRankings += rankingWindows.All(window => window.Holds) ? 1 : 0;
        report.Checks.AddRange([.. windows, .. rankingWindows]);
    }

    private void Ablate(Distillations distillations)
    {
        var (student, discriminator) = distillations.Didi(seeds[0], rolloutSteps: 1, settings.AblationSteps);
        using var network = student.Transformer;
        discriminator.Dispose();
        var curve = Curve("DiDi, one-step rollouts", Ancestral(network));
        report.Add(curve);
        report.Checks.Add(Windows.OfAblation(curve));
    }

    private void Other(string name, Func<Student> distil, Action<QualityCurve> check)
    {
        var clock = Stopwatch.StartNew();
        var student = distil();
        using var network = student.Transformer;
        Costs(name, student, clock.Elapsed);
        var curve = Curve(name, Ancestral(network));
        report.Add(curve);
        check(curve);
    }

    private void Costs(string name, Student student, TimeSpan time)
    {
        report.Say($"{name}: {student.Steps} steps in {time.TotalSeconds:F0} s; student calls {student.Ledger.DenoiserForwards}, gradients {student.Ledger.DenoiserBackwards}; teacher calls {student.Ledger.TeacherForwards}; helper calls {student.Ledger.DiscriminatorForwards + student.Ledger.AuxiliaryForwards}, gradients {student.Ledger.DiscriminatorBackwards + student.Ledger.AuxiliaryBackwards}.");
        if (student.Reading is { } reading)
            report.Say($"The guard's last word at step {reading.Step}: {reading.Verdict}.");
    }

    private QualityCurve Curve(string name, Func<int, ISampler> sampler, int lastStep = int.MaxValue) =>
        QualityCurve.Measure(name, sampler, settings.StepCounts.Where(steps => steps <= lastStep && (lastStep == int.MaxValue || steps > 1)), text.Judge, settings.SampleCount, ChainText.Length, seed: 0);

    private static Func<int, ISampler> Ancestral(LanguageModel transformer) => steps =>
        new SparseAncestralSampler(Teacher.Denoiser(transformer), new DiffusionSamplerOptions { StepCount = steps });

    private static Func<int, ISampler> Reranking(LanguageModel transformer, Discriminator guide) => steps =>
        new RewardGuidedSampler(Teacher.Denoiser(transformer), guide, new RewardGuidedSamplerOptions { StepCount = steps, CandidateCount = CandidateCount });

    private string Judge()
    {
        if (!settings.IsFull)
            return "A run of this size has no verdict.";
        Window[] others = [.. report.Checks.Where(check => !check.Name.StartsWith("DiDi, seed", StringComparison.Ordinal))];
        return new Verdict(others, methods.Contains("didi") ? seeds.Distinct().Count() : 0, reproducedSeeds, reproducedRankings).ToString();
    }
}

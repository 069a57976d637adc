namespace LmKit.Experiments;

/// <summary>An H3 hybrid beside a Transformer and a pure H3 of the same size: loss, speed and memory (Fu et al. 2022, Sections 4 and 6).</summary>
internal sealed class LanguageExperiment : Experiment
{
    private const long LongContext = 4_096;

    internal override string Name => "ssm-language";

    internal override string Title => "Language: an H3 hybrid beside a Transformer and a pure H3";

    internal override string Description =>
        "The same width, layers, text, order and recipe; the mixers differ, and the feed-forward parts make the models equally large (published at 125M parameters: hybrid 19.6, " +
        "Transformer 20.6, pure H3 21.0 perplexity on OpenWebText; generation 2.4 times the Transformer's speed at 1,536 tokens). The text is the English of the SDK's reference documentation, whole " +
        "files held out. Decoding is one token at a time with a cache, batch 1. Weight decay 0.1 acts on matrices (the published code decays vectors and embeddings too).";

    internal override ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation)
    {
        var recipe = setting.IsToy ? LanguageRecipe.Toy : LanguageRecipe.Default;
        using var text = new LanguageText(recipe, cancellation);
        var runs = new[] { LanguageMixer.Hybrid, LanguageMixer.Transformer, LanguageMixer.PureH3 }
            .Select(mixer => LanguageRun.Of(mixer, text, recipe, setting, cancellation)).ToArray();
        var (hybrid, transformer, pure) = (runs[0], runs[1], runs[2]);
        var longest = Math.Min(LongContext, recipe.Contexts[^1]);
        Finding[] findings =
        [
            new("hybrid's bits per byte over the Transformer's", hybrid.BitsPerByte / transformer.BitsPerByte, High: 1.0),
            new("pure H3's bits per byte over the Transformer's", pure.BitsPerByte / transformer.BitsPerByte, High: 1.05),
            new($"hybrid's decode speed over the Transformer's after {longest} tokens", Decoded(hybrid, longest) / Decoded(transformer, longest), Low: 1.5),
            new($"pure H3: time of a token after {longest} tokens over that after {recipe.Contexts[0]}", Decoded(pure, recipe.Contexts[0]) / Decoded(pure, longest), High: 1.15),
        ];
        return new ExperimentResult(
            [Losses(runs), Costs("Training, tokens a second (forward and backward, one window)", runs, speed => $"{speed.TrainingTokens:F0}"), Costs("Training, peak memory beside the model, MB", runs, speed => $"{speed.TrainingBytes / 1e6:F0}"), Costs("Decoding, tokens a second", runs, speed => $"{speed.DecodedTokens:F0}"), Costs("State, kB", runs, speed => $"{speed.StateBytes / 1000.0:F0}")],
            findings,
            new ResultPlot("Training loss", "step", "nats a token", [.. runs.Select(run => (run.Mixer.Name, run.Curve.Select(point => point.Step).ToArray(), run.Curve.Select(point => point.Loss).ToArray()))]));
    }

    private static double Decoded(LanguageRun run, long context) => run.Speeds.First(speed => speed.Context == context).DecodedTokens;

    private static ResultTable Losses(LanguageRun[] runs) => new(
        $"Held-out text, {runs[0].Measured.UnitCount} windows, +- one standard error over them",
        ["model", "parameters", "bits per byte"],
        [.. runs.Select(run => (string[])[run.Mixer.Name, FormattableString.Invariant($"{run.ParameterCount:N0}"), run.Measured.Brief()])]);

    private static ResultTable Costs(string caption, LanguageRun[] runs, Func<LanguageSpeed, FormattableString> cell) => new(
        caption,
        ["context", .. runs.Select(run => run.Mixer.Name)],
        [.. Enumerable.Range(0, runs[0].Speeds.Count).Select(index => (string[])[FormattableString.Invariant($"{runs[0].Speeds[index].Context}"), .. runs.Select(run => FormattableString.Invariant(cell(run.Speeds[index])))])]);
}

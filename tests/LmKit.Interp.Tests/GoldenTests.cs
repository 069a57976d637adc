using LmKit.Conformance;
using Xunit.Abstractions;

namespace LmKit.Interp.Tests;

[GoldenArea("interp")]
public class GoldenTests(ITestOutputHelper output) : GoldenSuite(output)
{
    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>
    {
        ["topafa_select"] = GoldenAutoencoders.Selection,
        ["afa_repo_saes"] = GoldenAutoencoders.AfaRepository,
        ["topafa_train"] = GoldenAutoencoders.TopAfaTraining,
        ["saelens_saes"] = GoldenSaeLens.Check,
        ["task_saes"] = GoldenTaskAutoencoders.Check,
        ["afa_bounds"] = GoldenAnalysis.Bounds,
        ["misc"] = GoldenAnalysis.Other,
        ["supervised"] = GoldenSupervised.Check,
        ["sparse_control"] = GoldenEvaluation.Control,
        ["ckpt"] = GoldenCheckpoints.Check,
        ["interp_f1"] = GoldenEvaluation.Scores,
    };
}

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

    protected override IReadOnlyDictionary<string, string> Unnoticed { get; } = new Dictionary<string, string>
    {
        ["ckpt: sae_lens_standard/sparsity.safetensors"] = "firing rates beside the weights, which no reader takes in",
        ["ckpt: option of llama_scope*"] = "remarks of those who wrote the weights",
        ["ckpt: option of sae_lens*"] = "remarks of those who wrote the weights",
        ["ckpt: option of sparsify*"] = "remarks of those who wrote the weights",
        ["misc: resample.exp_avg_after.*"] = "Adam's moments before the resampling are not in the file; those of the features that are pointed anew are compared with zero",
        ["afa_repo_saes: topafa_raw.param.b_enc"] = "the published code adds no encoder bias in this kind",
        ["afa_repo_saes: topafa_norm.param.b_enc"] = "the published code adds no encoder bias in this kind",
        ["afa_repo_saes: topk_raw.param.b_enc"] = "the published code adds no encoder bias in this kind",
        ["afa_repo_saes: topk_norm.param.b_enc"] = "the published code adds no encoder bias in this kind",
        ["afa_repo_saes: batchtopk_raw.param.b_enc"] = "the published code adds no encoder bias in this kind",
        ["saelens_saes: standard.dead"] = "its loss has no term of dead features",
        ["saelens_saes: jumprelu_step.dead"] = "its loss has no term of dead features",
        ["saelens_saes: gated.dead"] = "its loss has no term of dead features",
        ["supervised: attr.obj"] = "an attribute of the data set that no dictionary and no edit of the file uses",
    };
}

using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

internal static class GoldenAnalysis
{
    private const double Tight = 1e-9;

    internal static void Bounds(GoldenCase golden)
    {
        var (atoms, codes, z) = (golden.Tensor("a.D"), golden.Tensor("a.f"), golden.Tensor("a.z"));
        var count = codes.size(1);
        var coherence = DecoderCoherence.Of(atoms);
        Assert.Equal(golden.Number("a.eps_max_abs"), coherence.LargestAbsolute, Tight);
        Assert.Equal(golden.Number("a.eps_max_signed"), coherence.Largest, Tight);
        Assert.Equal(golden.Number("a.eps_mean_signed"), coherence.Mean, Tight);
        var error = ActivationNorm.Error(z, codes);
        Parameters.Check(golden, "a.err", error);
        Close.Check("exact gap", error, ActivationNorm.ExactGap(codes, atoms).abs(), absolute: Tight);
        Parameters.Check(golden, "a.err_bound", ActivationNorm.ErrorBound(codes, coherence.LargestAbsolute, count));
        Parameters.Check(golden, "a.err_bound_l0", ActivationNorm.SparseErrorBound(codes, coherence.LargestAbsolute));
        var bound = ActivationNorm.LowerBound(z, codes, count);
        Assert.True(bound[0].isnan().item<bool>());
        var tail = bound.size(0) - 1;
        Close.Check("a.eps_lbo", golden.Tensor("a.eps_lbo").narrow(0, 1, tail), bound.narrow(0, 1, tail), absolute: Tight, relative: Parameters.Relative);
        foreach (var (name, c) in new[] { ("0.25", 0.25), ("0.5", 0.5) })
        {
            var (lower, upper) = ActivationNorm.Band(z.norm(1), c);
            Parameters.Check(golden, $"a.band_lower_{name}", lower);
            Parameters.Check(golden, $"a.band_upper_{name}", upper);
        }
        Parameters.Check(golden, "b.f_tilde", ZfTable.UnitCodes(golden.Tensor("b.f"), golden.Tensor("b.W_dec"), golden.Tensor("b.b_dec")));
        var table = new ZfTable();
        table.Add(0, golden.Tensor("b.z"), golden.Tensor("b.f"), golden.Tensor("b.W_dec"), golden.Tensor("b.b_dec"), golden.Tensor("b.z_hat"));
        void Column(string name, Func<ZfRow, double> read) => Parameters.Check(golden, name, tensor(table.Rows.Select(read).ToArray()));
        Column("b.norm_z", row => row.InputNorm);
        Column("b.norm_f", row => row.CodeNorm);
        Column("b.norm_z_hat", row => row.OutputNorm);
        Column("b.l_recon", row => row.SquaredError);
        Column("b.nmse", row => row.NormalizedError);
        Column("b.eps_lbo", row => row.LowerBound);
    }

    internal static void Other(GoldenCase golden)
    {
        Close.Check("geomedian", golden.Tensor("geomedian.result"), GeometricMedian.Of(golden.Tensor("geomedian.points")), absolute: 1e-4);
        Auxiliary(golden);
        Schedules(golden);
        LogitDifferences(golden);
        var quality = ReconstructionQuality.Of(golden.Tensor("metric.x"), golden.Tensor("metric.x_hat"));
        Assert.Equal(golden.Number("metric.explained_variance"), quality.ExplainedVariance, Tight);
        Assert.Equal(golden.Number("metric.explained_variance_legacy"), quality.LegacyExplainedVariance, Tight);
        Assert.Equal(golden.Number("metric.fvu"), quality.UnexplainedFraction, Tight);
        Assert.Equal(golden.Number("metric.frac_variance_explained_var"), quality.VarianceShare, Tight);
        Assert.Equal(golden.Number("metric.mse_per_element"), quality.MeanSquaredError, Tight);
        Assert.Equal(golden.Number("metric.nmse_openai"), quality.NormalizedError, Tight);
        var (given, bits) = (golden.Tensor("mdl.l0_b_d"), golden.Tensor("mdl.bits"));
        for (var row = 0; row < given.size(0); row++)
            Assert.Equal(bits[row].item<double>(), DescriptionLength.Bits(given[row, 0].item<double>(), given[row, 1].item<double>(), given[row, 2].item<double>()), 1e-6);
        Resampling(golden);
    }

    private static void Auxiliary(GoldenCase golden)
    {
        var (acts, dead) = (golden.Tensor("auxk.relu_acts"), golden.Tensor("auxk.dead").to(ScalarType.Bool));
        var chosen = FeatureSelection.Largest(acts.masked_fill(dead.logical_not(), double.NegativeInfinity), (long)golden.Number("auxk.k_aux"));
        var explained = (acts * chosen).mm(golden.Tensor("auxk.W_dec"));
        Parameters.Check(golden, "auxk.raw", SquaredError.RowMean(golden.Tensor("auxk.residual") - explained));
        Parameters.Check(golden, "auxk.normalised", AuxiliaryLoss.Normalized(golden.Tensor("auxk.residual"), explained));
    }

    private static void Schedules(GoldenCase golden)
    {
        Parameters.Check(golden, "lr.linear_warm_decay", tensor(Enumerable.Range(0, 50).Select(step => DictionarySchedule.Share(step, 50, 10, 10)).ToArray()));
        Parameters.Check(golden, "lr.sparsity_warmup20", tensor(Enumerable.Range(0, 30).Select(step => DictionarySchedule.Share(step, 1000, 20, 0)).ToArray()));
        Parameters.Check(golden, "lr.task_sae_quirk", tensor(TaskAutoencoderSchedule.Rates(3e-4, 30, 5, [8], 20, 30)));
    }

    private static void LogitDifferences(GoldenCase golden)
    {
        var names = (string[])["clean", "mean_ablated", "recon", "residual_only", "sufficiency", "recovered_abs", "necessity"];
        var columns = names.ToDictionary(name => name, name => golden.Tensor($"ld.{name}").data<double>().ToArray());
        for (var row = 0; row < columns["clean"].Length; row++)
        {
            var rebuilt = LogitDifferenceScore.Of(columns["clean"][row], columns["mean_ablated"][row], columns["recon"][row]);
            var rest = LogitDifferenceScore.Of(columns["clean"][row], columns["mean_ablated"][row], columns["residual_only"][row]);
            Assert.Equal(columns["sufficiency"][row], rebuilt.Sufficiency, Tight);
            Assert.Equal(columns["recovered_abs"][row], rebuilt.Recovered, Tight);
            Assert.Equal(columns["necessity"][row], rest.Necessity, Tight);
        }
    }

    private static void Resampling(GoldenCase golden)
    {
        var (count, width) = (golden.Tensor("resample.before.W_dec").size(0), golden.Tensor("resample.before.W_dec").size(1));
        using var autoencoder = Parameters.Make(parameters => new VanillaAutoencoder(
            new VanillaOptions { ModelDim = width, FeatureCount = count, SparsityCoefficient = golden.Number("resample.l1_coeff") }, parameters));
        Parameters.Fill(autoencoder, golden, "resample.before.");
        var inputs = golden.Tensor("resample.A");
        Close.Check("resample.probs", golden.Tensor("resample.probs"), FeatureResampling.Probabilities(autoencoder, inputs), absolute: 1e-6);
        var dead = golden.Tensor("resample.dead");
        var living = autoencoder.get_parameter("W_enc")!.norm(0).masked_select(ones([count], ScalarType.Bool).index_fill(0, dead, 0)).mean().item<double>();
        Assert.Equal(golden.Number("resample.alive_norm_intended"), living, Tight);
        FeatureResampling.Start(autoencoder, dead, inputs.index_select(0, golden.Tensor("resample.sampled")), golden.Number("resample.alive_norm_official"));
        foreach (var (name, parameter) in autoencoder.named_parameters())
            Parameters.Check(golden, $"resample.after.{name}", parameter);
    }
}

using System.Globalization;
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
        golden.Check("a.eps_max_abs", coherence.LargestAbsolute, Tight);
        golden.Check("a.eps_max_signed", coherence.Largest, Tight);
        golden.Check("a.eps_mean_signed", coherence.Mean, Tight);
        var error = ActivationNorm.Error(z, codes);
        Parameters.Check(golden, "a.err", error);
        Close.Check("exact gap", error, ActivationNorm.ExactGap(codes, atoms).abs(), absolute: Tight);
        Parameters.Check(golden, "a.err_bound", ActivationNorm.ErrorBound(codes, coherence.LargestAbsolute, count));
        Parameters.Check(golden, "a.err_bound_l0", ActivationNorm.SparseErrorBound(codes, coherence.LargestAbsolute));
        Parameters.CheckWithGaps(golden, "a.eps_lbo", ActivationNorm.LowerBound(z, codes, count)); // NaN where 0/0 stands
        Parameters.Check(golden, "a.norm_z", z.norm(1));
        Parameters.Check(golden, "a.norm_f", codes.norm(1));
        foreach (var name in golden.Names("a.band_lower_").Select(name => name["a.band_lower_".Length..]))
        {
            var (lower, upper) = ActivationNorm.Band(z.norm(1), double.Parse(name, CultureInfo.InvariantCulture));
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
        var points = golden.Tensor("geomedian.points");
        golden.Check("geomedian.result", GeometricMedian.Of(points), absolute: 1e-4);
        Parameters.Check(golden, "geomedian.mean", points.mean([0L]));
        Auxiliary(golden);
        Schedules(golden);
        LogitDifferences(golden);
        var quality = ReconstructionQuality.Of(golden.Tensor("metric.x"), golden.Tensor("metric.x_hat"));
        golden.Check("metric.explained_variance", quality.ExplainedVariance, Tight);
        golden.Check("metric.explained_variance_legacy", quality.LegacyExplainedVariance, Tight);
        golden.Check("metric.fvu", quality.UnexplainedFraction, Tight);
        golden.Check("metric.frac_variance_explained_var", quality.VarianceShare, Tight);
        golden.Check("metric.mse_per_element", quality.MeanSquaredError, Tight);
        golden.Check("metric.nmse_openai", quality.NormalizedError, Tight);
        var (given, bits) = (golden.Tensor("mdl.l0_b_d"), golden.Tensor("mdl.bits"));
        for (var row = 0; row < given.size(0); row++)
            Close.Check($"mdl.bits[{row}]", bits[row], tensor(DescriptionLength.Bits(given[row, 0].item<double>(), given[row, 1].item<double>(), given[row, 2].item<double>())), absolute: 1e-6);
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
        // Where a file states nothing, the data's README: warm-up 10 and decay over the last 10; the task schedule's six numbers.
        double Setting(string key, double published) => golden.Options.Number(key, published);
        long Steps(string name) => golden.Tensor(name).size(0);
        var (total, warmup) = ((int)Steps("lr.linear_warm_decay"), (int)Setting("lr.warmup", 10));
        var decay = total - (int)Setting("lr.decay_from", total - 10);
        Parameters.Check(golden, "lr.linear_warm_decay", tensor(Enumerable.Range(0, total).Select(step => DictionarySchedule.Share(step, total, warmup, decay)).ToArray()));
        foreach (var name in golden.Names("lr.sparsity_warmup"))
        {
            var rise = int.Parse(name.AsSpan("lr.sparsity_warmup".Length), CultureInfo.InvariantCulture);
            Parameters.Check(golden, name, tensor(Enumerable.Range(0, (int)Steps(name)).Select(step => DictionarySchedule.Share(step, 1000, rise, 0)).ToArray()));
        }
        var epochs = (int)Steps("lr.task_sae_quirk");
        Parameters.Check(golden, "lr.task_sae_quirk", tensor(TaskAutoencoderSchedule.Rates(
            Setting("lr.base", 3e-4), epochs, (int)Setting("lr.task_warmup", 5), [(int)Setting("lr.restart", 8)], (int)Setting("lr.decay_start", 20), (int)Setting("lr.decay_end", 30))));
    }

    private static void LogitDifferences(GoldenCase golden)
    {
        var names = (string[])["clean", "mean_ablated", "recon", "residual_only", "sufficiency", "recovered_abs", "necessity"];
        var columns = names.ToDictionary(name => name, name => golden.Tensor($"ld.{name}").data<double>().ToArray());
        var scores = new Dictionary<string, List<double>> { ["sufficiency"] = [], ["recovered_abs"] = [], ["necessity"] = [] };
        for (var row = 0; row < columns["clean"].Length; row++)
        {
            var rebuilt = LogitDifferenceScore.Of(columns["clean"][row], columns["mean_ablated"][row], columns["recon"][row]);
            var rest = LogitDifferenceScore.Of(columns["clean"][row], columns["mean_ablated"][row], columns["residual_only"][row]);
            scores["sufficiency"].Add(rebuilt.Sufficiency);
            scores["recovered_abs"].Add(rebuilt.Recovered);
            scores["necessity"].Add(rest.Necessity);
        }
        foreach (var (name, ours) in scores)
            golden.Check($"ld.{name}", tensor(ours.ToArray()), absolute: Tight);
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
        golden.Check("resample.alive_norm_intended", living, Tight);
        FeatureResampling.Start(autoencoder, dead, inputs.index_select(0, golden.Tensor("resample.sampled")), golden.Number("resample.alive_norm_official"));
        foreach (var (name, parameter) in autoencoder.named_parameters())
            Parameters.Check(golden, $"resample.after.{name}", parameter);
        CheckMoments(golden, dead);
    }

    // Adam's first moments of what was pointed anew are zero; those before are not in the file, so the others are only there.
    private static void CheckMoments(GoldenCase golden, Tensor dead)
    {
        foreach (var (name, axis) in new[] { ("W_dec", 0L), ("W_enc", 1L), ("b_enc", 0L), ("b_dec", -1L) })
        {
            var moments = golden.Tensor($"resample.exp_avg_after.{name}");
            Close.Check($"resample.exp_avg_after.{name}", moments, axis < 0 ? moments : moments.index_fill(axis, dead, 0));
        }
    }
}

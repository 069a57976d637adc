using System.Globalization;
using System.Text.RegularExpressions;
using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

public partial class GoldenTests
{
    private static void Packing(GoldenCase golden)
    {
        foreach (var group in golden.Groups('.'))
        {
            long[] Read(string name)
            {
                using var tensor = golden.Tensor($"{group}.{name}");
                return tensor.data<long>().ToArray();
            }

            var plan = BestFitPacking.Plan([.. Read("lengths").Select(length => (int)length)], (int)Read("cap")[0], Read("split")[0] == 1);

            Assert.Equal(Read("item_doc"), plan.Pieces.Select(piece => (long)piece.Document));
            Assert.Equal(Read("item_start"), plan.Pieces.Select(piece => (long)piece.Start));
            Assert.Equal(Read("item_len"), plan.Pieces.Select(piece => (long)piece.Length));
            Assert.Equal(Read("bin_items"), plan.Rows.SelectMany(row => row).Select(index => (long)index));
            var offset = 0L;
            Assert.Equal(Read("bin_offsets"), plan.Rows.Select(row => offset += row.Count).Prepend(0));
        }
    }

    private static void Schedules(GoldenCase golden)
    {
        double Number(string name) => double.Parse(golden.Metadata[name], CultureInfo.InvariantCulture);
        var (warmup, total, peak, floor) = ((long)Number("warmup"), (long)Number("total"), Number("base_lr"), Number("min_lr_rate"));
        Check("cosine", new(LearningRateShape.Cosine, warmup, total));
        Check("cosine_restarts3", new(LearningRateShape.CosineRestarts, warmup, total, CycleCount: (int)Number("restarts")));
        Check("linear", new(LearningRateShape.Linear, warmup, total));
        Check("constant_with_warmup", new(LearningRateShape.Constant, warmup, total));
        Check("cosine_min_lr", new(LearningRateShape.Cosine, warmup, total, floor));
        if (golden.Has("litgpt_sequential"))
            Check("litgpt_sequential", new(LearningRateShape.Cosine, warmup, total), 1e-9);

        void Check(string name, LearningRateSchedule schedule, double tolerance = 1e-12)
        {
            var expected = golden.Tensor(name).data<double>().ToArray();
            for (var step = 0; step < expected.Length; step++)
                Assert.True(Math.Abs(expected[step] - peak * schedule.At(step)) <= tolerance, $"{name}[{step}]: expected {expected[step]}, got {peak * schedule.At(step)}.");
        }
    }

    private static void Optimizer(GoldenCase golden)
    {
        foreach (var group in golden.Groups('.'))
        {
            var setting = golden.Metadata[group];
            var count = golden.Names($"{group}.p").Count(name => name.EndsWith(".init", StringComparison.Ordinal));
            var parameters = Enumerable.Range(0, count).Select(index => new Parameter(golden.Tensor($"{group}.p{index}.init"))).ToArray();
            var (rate, decay, betas) = (Numbers("lr").FirstOrDefault(1e-3), Numbers("wd").FirstOrDefault(0.01), Numbers("betas"));
            var isFree = setting.Contains("'nodecay1d': 'True'", StringComparison.Ordinal);
            var groups = parameters.Select(parameter => new AdamW.ParamGroup(
                [parameter], rate, betas[0], betas[1], Numbers("eps")[0], isFree && parameter.dim() == 1 ? 0 : decay, setting.Contains("'ams': 'True'", StringComparison.Ordinal), false)).ToArray();
            using var optimizer = optim.AdamW(groups, rate, betas[0], betas[1], Numbers("eps")[0], decay, setting.Contains("'ams': 'True'", StringComparison.Ordinal));
            var (rates, clip) = (Numbers("lrs"), Numbers("clip").FirstOrDefault());
            for (var step = 0; golden.Has($"{group}.s{step}.p0.grad"); step++)
            {
                optimizer.zero_grad();
                for (var index = 0; index < count; index++)
                    parameters[index].grad = golden.Tensor($"{group}.s{step}.p{index}.grad");
                var norm = GradientClipping.Apply(parameters, 1, clip);
                if (golden.Has($"{group}.s{step}.total_norm"))
                    Assert.Equal(golden.Number($"{group}.s{step}.total_norm"), norm, 1e-10);
                foreach (var part in groups.Where(_ => rates.Length > 0))
                    part.LearningRate = rates[step];
                optimizer.step();
                for (var index = 0; index < count; index++)
                    Compare($"{group}.s{step}.p{index}.value", parameters[index]);
            }
            var states = optimizer.state_dict().State.Cast<AdamW.State>().ToArray();
            for (var index = 0; index < count; index++)
            {
                Compare($"{group}.p{index}.exp_avg", states[index].exp_avg);
                Compare($"{group}.p{index}.exp_avg_sq", states[index].exp_avg_sq);
            }

            double[] Numbers(string name)
            {
                var found = Regex.Match(setting, $"'{name}': '[\\[(]?([^'\\])]*)");
                return found.Success ? [.. found.Groups[1].Value.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(text => double.Parse(text, CultureInfo.InvariantCulture))] : [];
            }
        }

        void Compare(string name, Tensor actual)
        {
            var expected = golden.Tensor(name);
            Close.Check(name, expected, actual, absolute: expected.dtype == ScalarType.Float32 ? 1e-6 : 1e-12);
        }
    }

    private static void SupervisedLoss(GoldenCase golden)
    {
        using var model = new GoldenAttentionModel(golden);
        var padded = Rows("padded");
        var packed = Rows("packed");
        var (lengths, width) = (golden.Tensor("padded.lengths").data<long>().ToArray(), golden.Tensor("padded.ids").size(1));
        var places = arange(width).unsqueeze(0).expand(lengths.Length, width);
        var paddedSegments = where(places.lt(golden.Tensor("padded.lengths").unsqueeze(1)), 0L, -1L);
        var segments = golden.Tensor("packed.doc");

        foreach (var (name, (ids, targets), documents) in new[] { ("padded", padded, paddedSegments), ("packed", packed, segments) })
        {
            model.zero_grad();
            var loss = NextTokenLoss.Of(model, ids, documents, targets);
            var mean = loss.Sum / loss.Count;
            mean.backward();
            Expect("loss", mean);
            foreach (var (parameter, value) in model.named_parameters())
                Close.Check($"{name}: grad.{parameter}", golden.Tensor($"grad.{parameter}"), value.grad!, absolute: 1e-10);
        }

        var all = NextTokenLoss.Of(model, packed.Ids, segments);
        Expect("loss_all_tokens", all.Sum / all.Count);
        for (var row = 0; row < lengths.Length; row++)
        {
            var loss = NextTokenLoss.Of(model, padded.Ids.narrow(0, row, 1), paddedSegments.narrow(0, row, 1), padded.Targets.narrow(0, row, 1));
            Assert.Equal(golden.Tensor("doc_loss_sum")[row].item<double>(), loss.Sum.item<double>(), 1e-11);
            Assert.Equal((double)golden.Tensor("doc_token_count")[row].to(ScalarType.Float64).item<double>(), loss.Count);
        }
        model.Leaks = true;
        Expect("loss_leak", Mean(NextTokenLoss.Of(model, packed.Ids, segments, packed.Targets)));
        (model.Leaks, model.CountsOn) = (false, true);
        Expect("loss_pos_not_reset", Mean(NextTokenLoss.Of(model, packed.Ids, segments, packed.Targets)));

        (Tensor Ids, Tensor Targets) Rows(string name) => (golden.Tensor($"{name}.ids"), golden.Tensor($"{name}.labels").ne(-100));
        static Tensor Mean(TrainingLoss loss) => loss.Sum / loss.Count;
        void Expect(string name, Tensor actual) => Close.Check(name, golden.Tensor(name).reshape(-1), actual.reshape(-1), absolute: 1e-12);
    }
}

using System.Globalization;
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

            Same("item_doc", plan.Pieces.Select(piece => (long)piece.Document));
            Same("item_start", plan.Pieces.Select(piece => (long)piece.Start));
            Same("item_len", plan.Pieces.Select(piece => (long)piece.Length));
            Same("bin_items", plan.Rows.SelectMany(row => row).Select(index => (long)index));
            var offset = 0L;
            Same("bin_offsets", plan.Rows.Select(row => offset += row.Count).Prepend(0));

            void Same(string name, IEnumerable<long> ours) => golden.Equal($"{group}.{name}", Read(name), ours);
        }
    }

    private static void Schedules(GoldenCase golden)
    {
        var options = golden.Options;
        var (warmup, total, peak) = (options.Whole("warmup"), options.Whole("total"), options.Number("base_lr"));
        foreach (var name in golden.Names())
        {
            var shape = name switch
            {
                "cosine" or "litgpt_sequential" => new LearningRateSchedule(LearningRateShape.Cosine, warmup, total),
                "cosine_min_lr" => new(LearningRateShape.Cosine, warmup, total, options.Number("min_lr_rate")),
                "linear" => new(LearningRateShape.Linear, warmup, total),
                "constant_with_warmup" => new(LearningRateShape.Constant, warmup, total),
                _ when name.StartsWith("cosine_restarts", StringComparison.Ordinal) => new(LearningRateShape.CosineRestarts, warmup, total, CycleCount: Cycles(name)),
                _ => throw new ArgumentException($"{golden.Path} names the schedule '{name}'; those computed are cosine, cosine_restartsN, linear, constant_with_warmup, cosine_min_lr and litgpt_sequential."),
            };
            var rates = Enumerable.Range(0, (int)golden.Tensor(name).size(0)).Select(step => peak * shape.At(step)).ToArray();
            golden.Check(name, tensor(rates), absolute: name == "litgpt_sequential" ? 1e-9 : 1e-12); // that one is a recursion
        }

        int Cycles(string name)
        {
            var count = int.Parse(name.AsSpan("cosine_restarts".Length), CultureInfo.InvariantCulture);
            options.Agrees("restarts", count);
            return count;
        }
    }

    private static void Optimizer(GoldenCase golden)
    {
        foreach (var group in golden.Groups('.'))
        {
            var stated = golden.Options.Nested(group);
            var count = golden.Names($"{group}.p").Count(name => name.EndsWith(".init", StringComparison.Ordinal));
            var parameters = Enumerable.Range(0, count).Select(index => new Parameter(golden.Tensor($"{group}.p{index}.init"))).ToArray();
            var (rate, decay, betas, eps) = (stated.Number("lr"), stated.Number("wd"), stated.Numbers("betas"), stated.Number("eps"));
            var (isFree, isAms) = (stated.Flag("nodecay1d"), stated.Flag("ams"));
            stated.Agrees("steps", golden.Names($"{group}.s").Count(name => name.EndsWith(".p0.grad", StringComparison.Ordinal)));
            stated.Agrees("shapes", $"[{string.Join(", ", parameters.Select(parameter => parameter.dim() == 1 ? $"({parameter.size(0)},)" : $"({string.Join(", ", parameter.shape)})"))}]");
            stated.Agrees("dt", parameters[0].dtype == ScalarType.Float32 ? "torch.float32" : "torch.float64");
            stated.Describe("gsc"); // how large the gradients were drawn
            var groups = parameters.Select(parameter => new AdamW.ParamGroup(
                [parameter], rate, betas[0], betas[1], eps, isFree && parameter.dim() == 1 ? 0 : decay, isAms, false)).ToArray();
            using var optimizer = optim.AdamW(groups, rate, betas[0], betas[1], eps, decay, isAms);
            var (rates, clip) = (stated.Has("lrs") ? stated.Numbers("lrs") : [], stated.Number("clip", 0));
            for (var step = 0; golden.Has($"{group}.s{step}.p0.grad"); step++)
            {
                optimizer.zero_grad();
                for (var index = 0; index < count; index++)
                    parameters[index].grad = golden.Tensor($"{group}.s{step}.p{index}.grad");
                var norm = GradientClipping.Apply(parameters, 1, clip);
                if (golden.Has($"{group}.s{step}.total_norm"))
                    golden.Check($"{group}.s{step}.total_norm", norm, 1e-10);
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

        foreach (var (key, value) in new (string, object)[] { ("V", golden.Tensor("E").size(0)), ("D", golden.Tensor("E").size(1)) })
            golden.Options.Agrees(key, value);
        CheckRows(golden, model, paddedSegments);
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
        var (sums, counts) = (new double[lengths.Length], new double[lengths.Length]);
        for (var row = 0; row < lengths.Length; row++)
        {
            var loss = NextTokenLoss.Of(model, padded.Ids.narrow(0, row, 1), paddedSegments.narrow(0, row, 1), padded.Targets.narrow(0, row, 1));
            (sums[row], counts[row]) = (loss.Sum.item<double>(), loss.Count);
        }
        golden.Check("doc_loss_sum", tensor(sums), absolute: 1e-11);
        golden.Check("doc_token_count", tensor(counts));
        Expect("loss_token_mean", tensor(sums.Sum() / counts.Sum()));
        Expect("loss_mean_of_doc_means", tensor(sums.Zip(counts, (sum, count) => sum / count).Average()));
        model.Leaks = true;
        Expect("loss_leak", Mean(NextTokenLoss.Of(model, packed.Ids, segments, packed.Targets)));
        (model.Leaks, model.CountsOn) = (false, true);
        Expect("loss_pos_not_reset", Mean(NextTokenLoss.Of(model, packed.Ids, segments, packed.Targets)));

        (Tensor Ids, Tensor Targets) Rows(string name) => (golden.Tensor($"{name}.ids"), golden.Tensor($"{name}.labels").ne(golden.Options.Whole("ignore")));
        static Tensor Mean(TrainingLoss loss) => loss.Sum / loss.Count;
        void Expect(string name, Tensor actual) => Close.Check(name, golden.Tensor(name).reshape(-1), actual.reshape(-1), absolute: 1e-12);
    }

    // Ids, labels, lengths and positions belong together; logits are compared where there is a token.
    private static void CheckRows(GoldenCase golden, GoldenAttentionModel model, Tensor paddedSegments)
    {
        using var frozen = no_grad();
        var (padding, ignored) = (golden.Options.Whole("pad_id"), golden.Options.Whole("ignore"));
        foreach (var (name, segments) in new[] { ("padded", paddedSegments), ("packed", golden.Tensor("packed.doc")) })
        {
            var (ids, labels, isReal) = (golden.Tensor($"{name}.ids"), golden.Tensor($"{name}.labels"), segments.ge(0));
            Close.Check($"{name}: ids behind the rows", full_like(ids, padding).masked_select(isReal.logical_not()), ids.masked_select(isReal.logical_not()));
            Close.Check($"{name}.labels", labels, where(labels.ne(ignored), ids, labels));
            Close.Check($"{name}.logits", golden.Tensor($"{name}.logits") * isReal.unsqueeze(-1), model.call(ids, new SequenceContext(null, segments)) * isReal.unsqueeze(-1), absolute: 1e-10);
        }
        Close.Check("packed.pos", golden.Tensor("packed.pos").masked_select(golden.Tensor("packed.doc").ge(0)), model.Positions(golden.Tensor("packed.doc")).masked_select(golden.Tensor("packed.doc").ge(0)));
        Close.Check("prompt_len", golden.Tensor("padded.lengths") - golden.Tensor("response_len"), golden.Tensor("prompt_len"));
        Close.Check("response_len", golden.Tensor("response_len"), golden.Tensor("padded.labels").ne(ignored).to(ScalarType.Int64).sum(1));
    }
}

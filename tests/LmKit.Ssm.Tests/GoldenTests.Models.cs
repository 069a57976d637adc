using System.Globalization;
using System.Text.RegularExpressions;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public partial class GoldenTests
{
    // The README's tolerance for the trained model's float32 logits.
    private const double TrainedLogits = 1e-3;
    // The file's model turns by frequencies rounded to float32, a relative 4e-8; ours are exact.
    private const double RoundedFrequencies = 1e-8;
    private const double FinalParameters = 1e-8;

    private static void Hybrid(GoldenCase golden)
    {
        using var frozen = no_grad();
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            using var checkpoint = H3Checkpoint.FromTensors(Weights(golden));
            CheckSizes(golden, checkpoint.Sizes);
            using var model = checkpoint.Load(Whole(golden, "num_heads"), golden.Options.Whole("rotary_emb_dim"), dtype);
            var tolerance = checkpoint.Sizes.RotaryDim > 0 ? Math.Max(RoundedFrequencies, ToleranceOf(dtype)) : ToleranceOf(dtype);
            if (dtype == ScalarType.Float32)
                CheckWrittenBack(golden, checkpoint, model);
            var (ids, logits) = (golden.Tensor("out.input_ids"), golden.Tensor("out.logits_fp64"));
            CheckValue("logits", logits, model.call(ids, null), tolerance);
            if (golden.Names("out.").Count == 2)
                continue;
            CheckBlocks(golden, model);
            using var loss = NextTokenLoss.Of(model, ids).Sum;
            CheckValue("loss", golden.Tensor("out.loss"), (loss / (double)(ids.size(0) * (ids.size(1) - 1))).reshape(1), tolerance);
            CheckTeacherForced(golden, model, tolerance);
            CheckGreedy(golden, model, tolerance);
        }
        CheckHalfPrecision(golden);
    }

    // What the file's tensors say of the model has to be what the file states.
    private static void CheckSizes(GoldenCase golden, H3Preset sizes)
    {
        Assert.Equal(AttentionLayers(golden), sizes.AttentionLayers);
        foreach (var (key, value) in new (string, object)[]
        {
            ("d_model", sizes.ModelDim), ("n_layer", sizes.LayerCount), ("d_state", sizes.StateDim), ("head_dim", sizes.HeadDim),
            ("padded_vocab", sizes.PaddedVocabSize), ("d_inner", sizes.MlpDim > 0 ? sizes.MlpDim : 4 * sizes.ModelDim), ("layer_norm_epsilon", 1e-5), ("mlp", "gelu_tanh"),
        })
        {
            golden.Options.Agrees(key, value);
        }
        Assert.InRange(golden.Options.Whole("vocab_size"), 1, sizes.PaddedVocabSize);
    }

    private static int[] AttentionLayers(GoldenCase golden) => [.. golden.Options.Numbers("attn_layer_idx").Select(layer => (int)layer)];

    // Linears, norms and embedding in bfloat16, state spaces in float32: within 3 % of the logits' spread.
    private static void CheckHalfPrecision(GoldenCase golden)
    {
        using var checkpoint = H3Checkpoint.FromTensors(Weights(golden));
        using var model = checkpoint.Load(Whole(golden, "num_heads"), dtype: ScalarType.BFloat16);
        var logits = golden.Tensor("out.logits_fp64");
        var difference = model.call(golden.Tensor("out.input_ids"), null).to(ScalarType.Float64) - logits;
        Assert.InRange(difference.square().mean().sqrt().item<double>() / logits.std().item<double>(), 0, 0.03);
    }

    // The file as it was, tensor by tensor, frequencies within their rounding; the head is tied.
    private static void CheckWrittenBack(GoldenCase golden, H3Checkpoint checkpoint, LanguageModel model)
    {
        var (layers, rotaryDim) = (checkpoint.Sizes.AttentionLayers, checkpoint.Sizes.RotaryDim);
        var map = checkpoint.Layout == H3CheckpointLayout.Legacy ? H3KeyMap.Legacy(checkpoint.Sizes.LayerCount, layers, rotaryDim) : H3KeyMap.Published(layers, rotaryDim);
        var written = map.ToPublished(ModuleTensors.Of(model));
        var file = Weights(golden).ToDictionary(pair => pair.Key.StartsWith("model.", StringComparison.Ordinal) ? pair.Key["model.".Length..] : pair.Key, pair => pair.Value);
        _ = file.Remove("lm_head.weight");
        Assert.Equal(file.Keys.Order(StringComparer.Ordinal), written.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, value) in file)
            Close.Check(name, value, written[name], relative: name.EndsWith("inv_freq", StringComparison.Ordinal) ? 1e-6 : 0);
    }

    private static void CheckBlocks(GoldenCase golden, LanguageModel model)
    {
        using var kept = NewDisposeScope();
        var seen = new Dictionary<string, Tensor>();
        var taps = model.HookPoints.Where(point => point.Key.EndsWith("mlp_out", StringComparison.Ordinal) || point.Key.EndsWith("resid_mid", StringComparison.Ordinal))
            .Select(point => point.Value.Attach(value =>
            {
                seen[point.Key] = value.clone().MoveToOtherDisposeScope(kept);
                return value;
            }))
            .ToList();
        _ = model.call(golden.Tensor("out.input_ids"), null);
        taps.ForEach(tap => tap.Dispose());
        for (var layer = 0; golden.Has($"out.layer{layer}.hidden"); layer++)
        {
            CheckValue($"layer {layer} hidden", golden.Tensor($"out.layer{layer}.hidden"), seen[$"layers.{layer}.mlp_out"], Single);
            CheckValue($"layer {layer} residual", golden.Tensor($"out.layer{layer}.residual"), seen[$"layers.{layer}.resid_mid"], Single);
        }
    }

    private static void CheckTeacherForced(GoldenCase golden, LanguageModel model, double tolerance)
    {
        var (ids, prompt) = (golden.Tensor("out.input_ids"), Whole(golden, "prompt"));
        using var state = model.NewState(ids.size(0));
        var pieces = new List<Tensor> { model.call(ids.narrow(1, 0, prompt), new SequenceContext(state)) };
        pieces.AddRange(ids.narrow(1, prompt, ids.size(1) - prompt).split(1, 1).Select(token => model.call(token, new SequenceContext(state))));
        CheckValue("token by token", golden.Tensor("out.logits_fp64"), cat(pieces, 1), tolerance);
    }

    private static void CheckGreedy(GoldenCase golden, LanguageModel model, double tolerance)
    {
        var (prompt, count, vocabulary) = (golden.Tensor("out.input_ids").narrow(1, 0, Whole(golden, "prompt")), Whole(golden, "gen"), Whole(golden, "vocab_size"));
        var sampler = new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 }, PaddedVocabulary.Hide(vocabulary));
        var grid = prompt.alias();
        foreach (var version in sampler.Sample(prompt, count))
        {
            grid.Dispose();
            grid = version;
        }
        using var last = grid;
        CheckValue("greedy tokens", golden.Tensor("out.greedy_tokens"), grid.narrow(1, prompt.size(1), count), Exact);
        var expected = golden.Tensor("out.greedy_logits_fp64"); // before each token, and after the last
        var logits = model.call(grid, null).narrow(1, prompt.size(1) - 1, expected.size(1));
        CheckValue("greedy logits", expected, logits, tolerance);
    }

    private static void TrainingSteps(GoldenCase golden)
    {
        var (Option, betas) = ((Func<string, double>)golden.Options.Number, golden.Options.Numbers("betas"));
        using var checkpoint = H3Checkpoint.FromTensors(golden.Tensors("init."));
        CheckSizes(golden, checkpoint.Sizes);
        using var model = checkpoint.Load(Whole(golden, "num_heads"), dtype: ScalarType.Float64);
        var groups = DecayGroups.Of(model, DecayScope.All);
        Assert.Equal(5 * (checkpoint.Sizes.LayerCount - AttentionLayers(golden).Length), groups.Where(group => group.Hint.Decays == false).Sum(group => group.Parameters.Count));
        Assert.All(groups, group => Assert.Equal(group.Hint.Decays == false, group.Hint.MaxLearningRate is not null));
        using var optimizer = optim.AdamW(
            groups.Select(group => new TorchSharp.Modules.AdamW.ParamGroup(
                group.Parameters.Select(pair => pair.Parameter),
                new TorchSharp.Modules.AdamW.Options { LearningRate = Option(group.Hint.Decays == true ? "lr" : "ssm_lr"), weight_decay = group.Hint.Decays == true ? Option("weight_decay") : 0, beta1 = betas[0], beta2 = betas[1], eps = Option("eps") })),
            Option("lr"));
        var (ids, losses) = (golden.Tensor("input_ids"), golden.Tensor("losses"));
        model.train();
        for (var step = 0; step < ids.size(0); step++)
        {
            optimizer.zero_grad();
            var loss = NextTokenLoss.Of(model, ids[step]).Sum / (double)(ids.size(1) * (ids.size(2) - 1));
            CheckValue($"loss {step}", losses[step], loss.detach(), ExactGradient);
            loss.backward();
            if (step == 0)
                CheckParameters(golden, "grad0.", model, parameter => parameter.grad!, ExactGradient);
            optimizer.step();
        }
        CheckParameters(golden, "final.", model, parameter => parameter, FinalParameters);
    }

    private static void CheckParameters(GoldenCase golden, string prefix, LanguageModel model, Func<Tensor, Tensor> value, double tolerance)
    {
        var expected = H3KeyMap.Published(AttentionLayers(golden)).ToOurs(golden.Tensors(prefix));
        var parameters = model.named_parameters().ToList();
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), parameters.Select(pair => pair.name).Order(StringComparer.Ordinal));
        foreach (var (name, parameter) in parameters)
            CheckValue($"{prefix}{name}", expected[name], value(parameter), tolerance);
    }

    private static void TrainedRecall(GoldenCase golden)
    {
        using var frozen = no_grad();
        using var checkpoint = H3Checkpoint.FromTensors(Weights(golden));
        using var model = checkpoint.Load(checkpoint.Sizes);
        foreach (var (key, value) in new (string, object)[] { ("d_model", checkpoint.Sizes.ModelDim), ("n_layer", checkpoint.Sizes.LayerCount), ("d_inner", checkpoint.Sizes.MlpDim > 0 ? checkpoint.Sizes.MlpDim : 4 * checkpoint.Sizes.ModelDim), ("d_state", checkpoint.Sizes.StateDim), ("head_dim", checkpoint.Sizes.HeadDim) })
            golden.Options.Agrees(key, value);
        golden.Options.Describe("steps", "lr"); // of its training
        var (tokens, first) = (golden.Tensor("out.tokens"), golden.Names("out.logits_first")[0]);
        var last = tokens.size(1) - 1;
        var logits = model.call(tokens.narrow(1, 0, last), null);
        golden.Check("out.last_logits", logits.select(1, last - 1), absolute: TrainedLogits);
        golden.Check(first, logits.narrow(0, 0, long.Parse(first["out.logits_first".Length..], CultureInfo.InvariantCulture)), absolute: TrainedLogits);
        var accuracy = logits.select(1, last - 1).argmax(1).eq(tokens.select(1, last)).to(ScalarType.Float64).mean();
        golden.Check("out.accuracy", accuracy.item<double>(), 0);
        CheckFreshRecall(golden, model, Whole(golden, "vocab_size"), (int)last - 2);
    }

    // Fresh examples of the file's own length, 500; four points are sampling noise. For the published model also its figures at other lengths.
    private static void CheckFreshRecall(GoldenCase golden, LanguageModel model, int vocabSize, int ownLength)
    {
        using var random = new Generator(11);
        (int Length, double Expected)[] figures = golden.Name == "trained_h3_assoc_recall" ? [(10, 1.0), (20, 0.992), (40, 0.924), (80, 0.85), (160, 0.88)] : [(ownLength, golden.Number("out.accuracy"))];
        foreach (var (length, expected) in figures)
        {
            using var scope = NewDisposeScope();
            var tokens = new AssociativeRecallTask(vocabSize, length).Sample(500, random);
            var last = tokens.size(1) - 1;
            var guesses = model.Logits(model.Hidden(tokens.narrow(1, 0, last)).select(1, last - 1)).argmax(1);
            var accuracy = guesses.eq(tokens.select(1, last)).to(ScalarType.Float64).mean().item<double>();
            Assert.InRange(accuracy, expected - 0.04, Math.Min(1, expected + 0.04));
        }
    }

    private static void Synthetic(GoldenCase golden)
    {
        foreach (var name in golden.Names())
        {
            // "assoc_recall_v10_l20": task, vocabulary size, length.
            var match = SyntheticName().Match(name);
            var (vocabSize, length) = match.Success ? (Part("vocab"), Part("length")) : (0, 0);
            switch (match.Groups["task"].Value)
            {
                case "assoc_recall":
                    CheckTask(golden, "ar_vocab", name, new AssociativeRecallTask(vocabSize, length), SyntheticTaskTests.CheckRecall);
                    break;
                case "induction_head":
                    CheckTask(golden, "ih_vocab", name, new InductionHeadTask(vocabSize, length), SyntheticTaskTests.CheckInduction);
                    break;
                default:
                    Assert.Fail($"{golden.Path}: no task is known for '{name}'; examples are named assoc_recall_vV_lL or induction_head_vV_lL.");
                    break;
            }

            int Part(string part) => int.Parse(match.Groups[part].ValueSpan, CultureInfo.InvariantCulture);
        }
    }

    [GeneratedRegex(@"^(?<task>\w+)_v(?<vocab>\d+)_l(?<length>\d+)$")]
    private static partial Regex SyntheticName();

    private static void CheckTask(GoldenCase golden, string vocabulary, string examples, SyntheticTask task, Action<SyntheticTask, long[]> check)
    {
        Assert.Equal(golden.Options.Text(vocabulary), $"[{string.Join(", ", task.Vocabulary.Select(symbol => $"'{symbol}'"))}]");
        var published = golden.Tensor(examples);
        Assert.Equal(published.size(1), task.ExampleLength);
        var rows = HostValues.Read(published).Chunk(task.ExampleLength).ToList();
        foreach (var row in rows)
            check(task, row);
        golden.Equal($"{examples} that keep the task's law", rows.Select(row => row.Length), rows.Select(_ => task.ExampleLength));
    }

    private static Dictionary<string, Tensor> Weights(GoldenCase golden) =>
        golden.Names().Where(name => !name.StartsWith("out.", StringComparison.Ordinal)).ToDictionary(name => name, golden.Tensor);

    private static int Whole(GoldenCase golden, string name) => (int)golden.Options.Whole(name);
}

using System.Globalization;
using System.Text.Json;
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
            Assert.Equal(JsonSerializer.Deserialize<int[]>(golden.Metadata["attn_layer_idx"])!, checkpoint.Sizes.AttentionLayers);
            using var model = checkpoint.Load(Integer(golden, "num_heads"), Integer(golden, "rotary_emb_dim"), dtype);
            var tolerance = checkpoint.Sizes.RotaryDim > 0 ? Math.Max(RoundedFrequencies, ToleranceOf(dtype)) : ToleranceOf(dtype);
            if (dtype == ScalarType.Float32)
                CheckWrittenBack(golden, checkpoint, model);
            var (ids, logits) = (golden.Tensor("out.input_ids"), golden.Tensor("out.logits_fp64"));
            CheckValue("logits", logits, model.call(ids, null), tolerance);
            if (!golden.Has("out.loss"))
                continue;
            CheckBlocks(golden, model);
            using var loss = NextTokenLoss.Of(model, ids).Sum;
            CheckValue("loss", golden.Tensor("out.loss"), (loss / (double)(ids.size(0) * (ids.size(1) - 1))).reshape(1), tolerance);
            CheckTeacherForced(golden, model, tolerance);
            CheckGreedy(golden, model, tolerance);
        }
        CheckHalfPrecision(golden);
    }

    // Linears, norms and embedding in bfloat16, state spaces in float32: within 3 % of the logits' spread.
    private static void CheckHalfPrecision(GoldenCase golden)
    {
        using var checkpoint = H3Checkpoint.FromTensors(Weights(golden));
        using var model = checkpoint.Load(Integer(golden, "num_heads"), dtype: ScalarType.BFloat16);
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
        var seen = new Dictionary<string, Tensor>();
        var taps = model.HookPoints.Where(point => point.Key.EndsWith("mlp_out", StringComparison.Ordinal) || point.Key.EndsWith("resid_mid", StringComparison.Ordinal))
            .Select(point => point.Value.Attach(value =>
            {
                seen[point.Key] = value.clone().DetachFromDisposeScope();
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
        foreach (var activation in seen.Values)
            activation.Dispose();
    }

    private static void CheckTeacherForced(GoldenCase golden, LanguageModel model, double tolerance)
    {
        var (ids, prompt) = (golden.Tensor("out.input_ids"), Integer(golden, "prompt"));
        using var state = model.NewState(ids.size(0));
        var pieces = new List<Tensor> { model.call(ids.narrow(1, 0, prompt), new SequenceContext(state)) };
        pieces.AddRange(ids.narrow(1, prompt, ids.size(1) - prompt).split(1, 1).Select(token => model.call(token, new SequenceContext(state))));
        CheckValue("token by token", golden.Tensor("out.logits_fp64"), cat(pieces, 1), tolerance);
    }

    private static void CheckGreedy(GoldenCase golden, LanguageModel model, double tolerance)
    {
        var (prompt, count, vocabulary) = (golden.Tensor("out.input_ids").narrow(1, 0, Integer(golden, "prompt")), Integer(golden, "gen"), Integer(golden, "vocab_size"));
        var sampler = new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 }, PaddedVocabulary.Hide(vocabulary));
        var grid = prompt.alias();
        foreach (var version in sampler.Sample(prompt, count))
        {
            grid.Dispose();
            grid = version;
        }
        CheckValue("greedy tokens", golden.Tensor("out.greedy_tokens"), grid.narrow(1, prompt.size(1), count), Exact);
        var expected = golden.Tensor("out.greedy_logits_fp64"); // before each token, and after the last
        var logits = model.call(grid, null).narrow(1, prompt.size(1) - 1, expected.size(1));
        CheckValue("greedy logits", expected, logits, tolerance);
        grid.Dispose();
    }

    private static void TrainingSteps(GoldenCase golden)
    {
        var options = golden.Metadata;
        double Option(string name) => double.Parse(options[name], CultureInfo.InvariantCulture);
        using var checkpoint = H3Checkpoint.FromTensors(golden.Names("init.").ToDictionary(name => name["init.".Length..], golden.Tensor));
        using var model = checkpoint.Load(Integer(golden, "num_heads"), dtype: ScalarType.Float64);
        var groups = DecayGroups.Of(model, DecayScope.All);
        Assert.Equal(5, groups.Where(group => group.Hint.Decays == false).Sum(group => group.Parameters.Count));
        Assert.All(groups, group => Assert.Equal(group.Hint.Decays == false, group.Hint.MaxLearningRate is not null));
        using var optimizer = optim.AdamW(
            groups.Select(group => new TorchSharp.Modules.AdamW.ParamGroup(
                group.Parameters.Select(pair => pair.Parameter),
                new TorchSharp.Modules.AdamW.Options { LearningRate = Option(group.Hint.Decays == true ? "lr" : "ssm_lr"), weight_decay = group.Hint.Decays == true ? Option("weight_decay") : 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 })),
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
        var expected = H3KeyMap.Published([1]).ToOurs(golden.Names(prefix).ToDictionary(name => name[prefix.Length..], golden.Tensor));
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
        var tokens = golden.Tensor("out.tokens");
        var logits = model.call(tokens.narrow(1, 0, 22), null);
        Close.Check("last logits", golden.Tensor("out.last_logits"), logits.select(1, 21), absolute: TrainedLogits);
        Close.Check("all logits of the first rows", golden.Tensor("out.logits_first8"), logits.narrow(0, 0, 8), absolute: TrainedLogits);
        var accuracy = logits.select(1, 21).argmax(1).eq(tokens.select(1, 22)).to(ScalarType.Float64).mean();
        Assert.Equal(golden.Number("out.accuracy"), accuracy.item<double>());
        CheckFreshRecall(model);
    }

    // The published figures of the same model on fresh examples of several lengths, 500 each; four points are sampling noise.
    private static void CheckFreshRecall(LanguageModel model)
    {
        using var random = new Generator(11);
        foreach (var (length, expected) in new[] { (10, 1.0), (20, 0.992), (40, 0.924), (80, 0.85), (160, 0.88) })
        {
            using var scope = NewDisposeScope();
            var tokens = new AssociativeRecallTask(10, length).Sample(500, random);
            var last = tokens.size(1) - 1;
            var guesses = model.Logits(model.Hidden(tokens.narrow(1, 0, last)).select(1, last - 1)).argmax(1);
            var accuracy = guesses.eq(tokens.select(1, last)).to(ScalarType.Float64).mean().item<double>();
            Assert.InRange(accuracy, expected - 0.04, Math.Min(1, expected + 0.04));
        }
    }

    private static void Synthetic(GoldenCase golden)
    {
        CheckTask(golden, "ar_vocab", "assoc_recall_v10_l20", new AssociativeRecallTask(), SyntheticTaskTests.CheckRecall);
        CheckTask(golden, "ih_vocab", "induction_head_v20_l30", new InductionHeadTask(), SyntheticTaskTests.CheckInduction);
    }

    private static void CheckTask(GoldenCase golden, string vocabulary, string examples, SyntheticTask task, Action<SyntheticTask, long[]> check)
    {
        Assert.Equal(golden.Metadata[vocabulary], $"[{string.Join(", ", task.Vocabulary.Select(symbol => $"'{symbol}'"))}]");
        var published = golden.Tensor(examples);
        Assert.Equal(published.size(1), task.ExampleLength);
        foreach (var row in HostValues.Read(published).Chunk(task.ExampleLength))
            check(task, row);
    }

    private static Dictionary<string, Tensor> Weights(GoldenCase golden) =>
        golden.Names().Where(name => !name.StartsWith("out.", StringComparison.Ordinal)).ToDictionary(name => name, golden.Tensor);

    private static int Integer(GoldenCase golden, string name) => int.Parse(golden.Metadata[name], CultureInfo.InvariantCulture);
}

using LmKit.Conformance;
using TorchSharp;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

[NoTensorLeak]
public class LengthDiagnosisTests(ITestOutputHelper output)
{
    private const long Trained = 16;

    [Fact]
    public void The_model_stays_as_it_was_whatever_is_read_of_it()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model().Build();
        var calls = 0;
        using var hook = model.HookPoints["layers.0.mixer.q"].Attach(x => { calls++; return x; });
        var tokens = tensor(Text(0).Select(token => (long)token).ToArray()).unsqueeze(0);
        var weights = model.parameters().Select(parameter => parameter.clone()).ToArray();
        var (before, config) = (model.call(tokens, null), model.Config.ToJson());

        LengthDiagnosis.Run(model, [Text(0)], Trained);

        Assert.Equal(1, calls);
        Assert.Equal(before.data<double>().ToArray(), model.call(tokens, null).data<double>().ToArray());
        Assert.Equal(2, calls);
        Assert.Equal(config, model.Config.ToJson());
        Assert.All(model.parameters().Zip(weights), pair => Assert.Equal(pair.Second.data<double>().ToArray(), pair.First.data<double>().ToArray()));
    }

    [Fact]
    public void Each_policy_is_read_as_a_model_with_that_mask_reads()
    {
        using var model = Model().Build();
        var result = LengthDiagnosis.Run(model, Texts(), Trained, new LengthDiagnosisOptions { LocalLength = 10, GlobalLength = 3, DistanceCeiling = 9, PrefixToken = 0, BatchSize = 2 });

        Assert.Equal([8, 16, 32, 64], result.Edges);
        Same(LengthPolicy.Vanilla, builder => builder);
        Same(LengthPolicy.WindowOnly, builder => builder.AddSlidingWindowMask(mask => mask.Window = 10));
        Same(LengthPolicy.Lambda, builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling) = (10, 3, 9)));
        Assert.NotEqual(result.Losses(LengthPolicy.CeilingOnly).Loss.Value, result.Losses(LengthPolicy.Vanilla).Loss.Value);
        Assert.NotEqual(result.Losses(LengthPolicy.MaskOnly).Loss.Value, result.Losses(LengthPolicy.Lambda).Loss.Value);
        Assert.True(result.KeepsEntropyLaw);

        void Same(LengthPolicy policy, Func<LanguageModelBuilder, LanguageModelBuilder> mask)
        {
            using var other = mask(Model()).Build();
            var expected = LengthReader.Read(other, Texts(), new LengthReaderOptions { PrefixToken = 0, Edges = result.Edges });
            Assert.Equal(expected.Loss.Value, result.Losses(policy).Loss.Value, 1e-9);
        }
    }

    [Fact]
    public void Without_positions_the_ceiling_does_nothing_and_only_the_count_is_left()
    {
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).AddNoPositions().Build();
        var result = LengthDiagnosis.Run(model, Texts(), Trained, new LengthDiagnosisOptions { GlobalLength = 2 });

        Assert.Equal(0, result.Factors[0].Cost.Value, 1e-9);
        Assert.Equal(result.Losses(LengthPolicy.Vanilla).Loss.Value, result.Losses(LengthPolicy.CeilingOnly).Loss.Value, 1e-9);
        Assert.Equal(result.Losses(LengthPolicy.MaskOnly).Loss.Value, result.Losses(LengthPolicy.Lambda).Loss.Value, 1e-9);
    }

    [Fact]
    public void Attention_is_read_by_layer_and_bucket_with_as_many_keys_as_the_policy_leaves()
    {
        using var model = Model().Build();
        var result = LengthDiagnosis.Run(model, [Text(0)], Trained, new LengthDiagnosisOptions { LocalLength = 10, GlobalLength = 3, ChunkLength = 7 });
        var last = result.Readings.ToDictionary(reading => reading.Policy, reading => reading.Attention.Single(one => one.Layer == 1 && one.To is null));
        double positions = Enumerable.Range(64, Text(0).Count - 1 - 64).Average(place => place + 1);

        Assert.All(result.Readings, reading => Assert.Equal(2 * 5, reading.Attention.Count));
        Assert.Equal(positions, last[LengthPolicy.Vanilla].KeyCount, 1e-9);
        Assert.Equal(positions, last[LengthPolicy.CeilingOnly].KeyCount, 1e-9);
        Assert.Equal(13, last[LengthPolicy.MaskOnly].KeyCount, 1e-9);
        Assert.Equal(10, last[LengthPolicy.WindowOnly].KeyCount, 1e-9);
        Assert.Equal(13, last[LengthPolicy.Lambda].KeyCount, 1e-9);
        Assert.Equal(0, last[LengthPolicy.WindowOnly].StartMass);
        Assert.True(last[LengthPolicy.Lambda].StartMass > 0);
    }

    [Theory]
    [InlineData(4.0, 2.5, 2.4, 2.0, 2.0, LengthFactor.UnseenDistances)]
    [InlineData(4.0, 3.8, 2.1, 2.0, 2.0, LengthFactor.AttendedCount)]
    [InlineData(2.0, 2.0, 2.0, 3.0, 2.0, LengthFactor.MissingStarts)]
    [InlineData(2.0, 2.6, 2.0, 2.0, 2.0, null)] // the ceiling fails a model that does not need it
    [InlineData(2.0, 2.0, 2.0, 2.0, 2.0, null)]
    [InlineData(2.04, 2.04, 2.04, 2.04, 2.0, null)] // within the margin
    public void The_factor_that_costs_most_of_those_that_fail_is_named_with_its_figures(double vanilla, double ceiling, double mask, double window, double lambda, LengthFactor? worst)
    {
        var readings = new[] { vanilla, ceiling, mask, window, lambda }.Select((loss, policy) => new PolicyReading((LengthPolicy)policy, Losses(loss), [])).ToArray();
        var result = new LengthDiagnosisResult(Trained, new LambdaMaskOptions { LocalLength = 14, GlobalLength = 2 }, 0.05, [8, 16], readings);

        Assert.Equal(worst, result.Worst?.Factor);
        Assert.Equal(3, result.Factors.Count);
        if (worst is null)
        {
            Assert.StartsWith("Nothing fails: at 16+", result.Verdict, StringComparison.Ordinal);
        }
        else
        {
            Assert.Contains(": fails. At 16+", result.Verdict, StringComparison.Ordinal);
            Assert.Contains(result.Worst!.Cost.Brief(), result.Verdict, StringComparison.Ordinal);
        }

        // In range all alike; beyond it, the loss of the policy, of two texts that differ a little.
        static LengthLosses Losses(double beyond)
        {
            var losses = new LengthLosses([8, 16]);
            for (var position = 0; position < 64; position++)
            {
                losses.Add(0, position, position < 16 ? 2 : beyond - 0.001);
                losses.Add(1, position, position < 16 ? 2 : beyond + 0.001);
            }
            losses.Note(65, 0, 0);
            return losses;
        }
    }

    [Fact]
    public void Tables_and_picture_hold_every_policy_and_bucket()
    {
        using var model = Model().Build();
        var result = LengthDiagnosis.Run(model, Texts(), Trained);

        var page = result.ToMarkdown();
        Assert.Contains("| loss, nats a token | 0-7 | 8-15 | 16-31 | 32-63 | 64+ |", page, StringComparison.Ordinal);
        Assert.All(Enum.GetNames<LengthPolicy>(), policy => Assert.Contains($"| {policy} | 1 | 64+ |", page, StringComparison.Ordinal));
        Assert.Contains("Entropy is at least ln n - 2 B in every row.", page, StringComparison.Ordinal);
        var lines = result.ToCsv().TrimEnd('\n').Split('\n');
        Assert.Equal(1 + 5 * 5 * 2, lines.Length);
        Assert.All(lines, line => Assert.Equal(12, line.Split(',').Length));
        var picture = System.Xml.Linq.XDocument.Parse(result.ToSvg());
        Assert.Equal(5, picture.Descendants().Count(element => element.Name.LocalName == "polyline"));
        Assert.DoesNotContain("NaN", result.ToSvg(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_diagnosed_is_refused_by_name()
    {
        using var model = Model().Build();
        Refused("nothing can be said beyond the trained length 16", () => LengthDiagnosis.Run(model, [Text(0).Take(32).ToArray()], Trained));
        Refused("LengthDiagnosisOptions.GlobalLength = 16 leaves no window", () => LengthDiagnosis.Run(model, Texts(), Trained, new LengthDiagnosisOptions { GlobalLength = 16 }));
        Refused("LengthDiagnosisOptions.LocalLength = 17 is longer than the trained length 16", () => LengthDiagnosis.Run(model, Texts(), Trained, new LengthDiagnosisOptions { LocalLength = 17 }));
        Refused("LengthDiagnosisOptions.GlobalLength = 0", () => LengthDiagnosis.Run(model, Texts(), Trained, new LengthDiagnosisOptions { GlobalLength = 0 }));
        Refused("trainedLength", () => LengthDiagnosis.Run(model, Texts(), 1));
        using var masked = Model().AddLambdaMask().Build();
        Refused("LambdaMask (LocalLength = 2048, GlobalLength = 10, DistanceCeiling = 2048)", () => LengthDiagnosis.Run(masked, Texts(), Trained));
        using var learned = ToyModel.Builder().AddAttention().AddLearnedPositions(20).Build();
        Refused("the model reads 20", () => LengthDiagnosis.Run(learned, Texts(), Trained));
        using (no_grad())
            model.parameters().First().fill_(double.NaN);
        Assert.StartsWith("Vanilla: ", Assert.Throws<InvalidOperationException>(() => LengthDiagnosis.Run(model, Texts(), Trained)).Message, StringComparison.Ordinal);

        static void Refused(string words, Action run) => Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(run).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_with_a_mask_of_its_own_keeps_it()
    {
        using var model = Model().AddSlidingWindowMask(mask => mask.Window = 5, layers: [0]).Build();
        var result = LengthDiagnosis.Run(model, Texts(), Trained);

        Assert.All(result.Readings, reading => Assert.Equal(5, reading.Attention.Single(one => one.Layer == 0 && one.To is null).KeyCount, 1e-9));
        Assert.Equal(16, result.Readings[^1].Attention.Single(one => one.Layer == 1 && one.To is null).KeyCount, 1e-9);
    }

    [Fact]
    public void It_stops_when_told_to()
    {
        using var model = Model().Build();
        using var stop = new CancellationTokenSource();
        stop.Cancel();

        Assert.Throws<OperationCanceledException>(() => LengthDiagnosis.Run(model, Texts(), Trained, null, stop.Token));
    }

    [Fact]
    public void Scores_that_cannot_be_told_are_refused_by_the_name_of_the_mask_and_losses_still_read()
    {
        using var model = Model().Add(ReversingMask.Kind, layers: [0]).Build();

        Assert.Contains("ReversingMask attends in a way of its own", Assert.Throws<NotSupportedException>(() => LengthDiagnosis.Run(model, Texts(), Trained)).Message, StringComparison.Ordinal);
        var result = LengthDiagnosis.Run(model, Texts(), Trained, new LengthDiagnosisOptions { ReadsAttention = false });
        Assert.All(result.Readings, reading => Assert.Empty(reading.Attention));
        Assert.DoesNotContain("largest logit", result.ToMarkdown(), StringComparison.Ordinal);
        Assert.Equal(1 + 5 * 5, result.ToCsv().TrimEnd('\n').Split('\n').Length);
    }

    [Fact]
    public void A_trained_rotary_model_fails_by_its_distances_or_its_count_and_both_halves_cure_it()
    {
        var folder = Directory.CreateTempSubdirectory("lmkit-diagnosis-").FullName;
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 32, LayerCount = 2 };
        using var model = builder.AddAttention(attention => attention.HeadCount = 2).AddRotary().Build();
        using var data = TokenDataset.Create([new TextDocument("training", Sentences(1, 2_000))], ModelTokenizer.Bytes, Path.Combine(folder, "tokens"));
        using (var trainer = new Trainer(new LanguageModelTask(model, data, length: Trained + 1, batchSize: 16, seed: 3), new TrainingOptions { Steps = 250, LearningRate = 1e-2, WarmupSteps = 20 }))
            trainer.Run();

        var texts = Enumerable.Range(2, 4).Select(seed => ModelTokenizer.Bytes.Encode(Sentences(seed, 40))).Select(text => (IReadOnlyList<int>)[.. text.Take(512)]);
        var result = LengthDiagnosis.Run(model, texts, Trained, new LengthDiagnosisOptions { GlobalLength = 1, BatchSize = 4 });

        output.WriteLine(result.ToMarkdown());
        Assert.True(result.Fails);
        Assert.Contains(result.Worst?.Factor, new LengthFactor?[] { LengthFactor.UnseenDistances, LengthFactor.AttendedCount });
        Assert.InRange(result.Excess.Value, 0.2, 10);
        Assert.True(result.KeepsEntropyLaw);
        data.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static string Sentences(int seed, int count)
    {
        string[] nouns = ["harbour", "lantern", "miller", "orchard", "pigeon", "quarry"];
        string[] verbs = ["admires", "borrows", "carries", "guards", "paints"];
        var random = new Random(seed);
        return string.Concat(Enumerable.Range(0, count).Select(_ => $"the {One(nouns)} {One(verbs)} the {One(nouns)}. "));

        string One(string[] words) => words[random.Next(words.Length)];
    }

    // Attends by itself and says of its way only that it is its own.
    private sealed class ReversingMask : IAttentionMask, IMaskedAttention
    {
        internal static readonly Kind<IAttentionMask> Kind = Slots.Mask.Define("reversing", _ => new ReversingMask());

        private readonly CausalMask causal = new();

        public bool IsCausal => true;

        public bool Forgets => false;

        public long? DistanceCeiling => null;

        public bool HasDenseForm => false;

        public Tensor? Visible(Tensor queries, Tensor keys) => causal.Visible(queries, keys);

        public Tensor? Attend(AttentionInput input) => DenseAttention.Attend(input, causal);

        public override string ToString() => nameof(ReversingMask);
    }

    private static LanguageModelBuilder Model() => ToyModel.Builder().AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount) = (4, 2)).AddRotary();

    private static IReadOnlyList<int>[] Texts() => [Text(0), Text(1)];

    private static IReadOnlyList<int> Text(int seed) => [.. Enumerable.Range(0, 110).Select(place => (place * (seed + 3) + place / 5) % (int)ToyModel.VocabSize)];
}

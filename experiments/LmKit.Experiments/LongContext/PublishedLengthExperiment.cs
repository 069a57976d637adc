using System.Globalization;

namespace LmKit.Experiments;

/// <summary>The diagnosis of a folder in a published layout, which the experiment trains, saves and opens as a user would.</summary>
internal sealed class PublishedLengthExperiment : Experiment
{
    private const int WindowCount = 12; // of the trained length, for each stretch

    // The token of beginning is ByteText.Begin.
    private const string Config = """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":257,"hidden_size":64,"intermediate_size":176,"num_hidden_layers":3,"num_attention_heads":4,
         "num_key_value_heads":2,"max_position_embeddings":64,"rms_norm_eps":1e-6,"rope_theta":10000.0,"tie_word_embeddings":false,"bos_token_id":256,"eos_token_id":256}
        """;

    internal override string Name => "longcontext-published";

    internal override string Title => "What fails beyond the trained length of a folder in LLaMA's layout";

    internal override string Description =>
        "A model in LLaMA's published layout (three layers of width 64, four query heads over two key heads, max_position_embeddings 64) is trained on bytes of the SDK's reference documentation until it is below the order-2 entropy of the " +
        "held-out text (that of a byte given the two before it, by the text's own counts), saved under published names and opened with PublishedModel.Load. LengthDiagnosis reads what was opened on 12 stretches of " +
        "2,048 held-out bytes, with its defaults for the trained length that the folder states: G = 4, L = D = 60. Must hold: the opened model reads as the trained one, it fails beyond its trained length, unseen distances and the number of " +
        "attended tokens each cost more than 0.2 nats, and under the Lambda mask it is within 0.03 of the loss in range of the same bytes.";

    internal override ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation)
    {
        var recipe = setting.IsToy ? new LengthRecipe(4, 4, 256, 2, 100_000) : new LengthRecipe(800, 32, 2_048, 12, int.MaxValue);
        var text = new ByteText(recipe.TextLimit);
        var folder = Directory.CreateTempSubdirectory("lmkit-experiment-").FullName;
        try
        {
            var layout = PublishedLayout.FromJson(Config);
            var trained = (int)layout.TrainedLength!.Value;
            var windows = text.Stretches(recipe.TextCount * WindowCount, trained);
            double saved;
            using (var model = Train(layout, text, trained, recipe, setting, cancellation))
            {
                saved = InRange(model, windows, cancellation).Value;
                layout.Save(folder, model);
            }
            using var opened = PublishedModel.Load(folder);
            var inRange = InRange(opened.Model, windows, cancellation);
            setting.Progress.Report(FormattableString.Invariant($"opened {opened}: {inRange} nats in range; now the diagnosis"));
            var texts = text.Stretches(recipe.TextCount, recipe.TextLength);
            var diagnosis = LengthDiagnosis.Run(opened.Model, texts, opened.Layout.TrainedLength!.Value, new LengthDiagnosisOptions { PrefixToken = ByteText.Begin, BatchSize = recipe.TextCount }, cancellation);
            var same = LengthReader.Read(opened.Model, ByteText.Halves(texts, diagnosis.Last.From, trained), new LengthReaderOptions { PrefixToken = ByteText.Begin, BatchSize = 64, Edges = [trained / 2] }, cancellation).Buckets[^1].Loss;
            return Result(diagnosis, text.SecondOrderEntropy(), saved, inRange, same);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static LanguageModel Train(PublishedLayout layout, ByteText text, int trained, LengthRecipe recipe, ExperimentSetting setting, CancellationToken cancellation)
    {
        var builder = layout.CreateBuilder();
        builder.Options.Seed = (ulong)setting.Seed;
        var model = builder.Build();
        using var task = new RowTask(model, setting.Seed, random => new TrainingRows(text.Windows(trained, recipe.BatchSize, random)));
        task.Train(recipe.Training, null, setting.Progress, cancellation);
        return model;
    }

    private static Estimate InRange(LanguageModel model, IReadOnlyList<int>[] windows, CancellationToken cancellation) =>
        LengthReader.Read(model, windows, new LengthReaderOptions { PrefixToken = ByteText.Begin, BatchSize = 64 }, cancellation).Loss;

    private static ExperimentResult Result(LengthDiagnosisResult diagnosis, double border, double saved, Estimate inRange, Estimate same)
    {
        var factors = diagnosis.Factors.ToDictionary(factor => factor.Factor);
        Finding[] findings =
        [
            new("loss in range over the text's order-2 entropy", inRange.Value / border, High: 1),
            new("loss of the opened folder from that of the trained model, nats", Math.Abs(inRange.Value - saved), High: 0),
            new("vanilla over the loss in range of the same bytes, nats", diagnosis.Last.Loss.Value - same.Value, Low: 1),
            new("unseen distances cost, nats", factors[LengthFactor.UnseenDistances].Cost.Value, Low: 0.2),
            new("the number of attended tokens costs, nats", factors[LengthFactor.AttendedCount].Cost.Value, Low: 0.2),
            new("Lambda over the loss in range of the same bytes, nats", diagnosis.Losses(LengthPolicy.Lambda).Buckets[^1].Loss.Value - same.Value, High: 0.03),
            new("rows of attention below the entropy's bound ln n - 2 B", diagnosis.KeepsEntropyLaw ? 0 : 1, High: 0),
        ];
        var rows = diagnosis.Readings.Select(reading => ($"{reading.Policy}", reading.Losses)).ToArray();
        var losses = new ResultTable("Loss by position, nats a byte, +- one standard error over pieces of 256 positions", ["policy", .. diagnosis.Losses(LengthPolicy.Vanilla).Buckets.Select(bucket => bucket.Name)], [.. rows.Select(row => (string[])[row.Item1, .. row.Losses.Buckets.Select(bucket => bucket.Loss.Brief())])]);
        var ranges = new ResultTable("In range", ["held-out windows", "order-2 entropy of the held-out text", "the bytes of the last bucket, predicted from positions 32-63 of windows of 64"], [[inRange.Brief(), border.ToString("F4", CultureInfo.InvariantCulture), same.Brief()]]);
        return new ExperimentResult([losses, ranges, DiagnosisTables.Factors(diagnosis), DiagnosisTables.Attention(diagnosis)], findings, DiagnosisTables.Plot("Loss by position", rows));
    }
}

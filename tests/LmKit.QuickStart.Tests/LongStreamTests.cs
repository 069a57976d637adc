using LmKit.Conformance;
using LmKit.LongStream;
using Spectre.Console;

namespace LmKit.QuickStart.Tests;

/// <summary>The sample that streams a long text.</summary>
public class LongStreamTests
{
    private const int Vocab = 40;

    private static readonly int[] ids = [.. Enumerable.Range(0, 201).Select(index => ((index * 7) + (index * index % 11)) % Vocab)];

    private static LanguageModel Model()
    {
        var model = new LanguageModelBuilder { VocabSize = Vocab, ModelDim = 16, LayerCount = 2 }
            .AddAttention(attention => attention.HeadCount = 2)
            .AddRotary()
            .AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (16, 2))
            .Build();
        model.eval();
        return model;
    }

    private static IReadOnlyList<StreamPoint> Read(int chunk, int bin, List<StreamPoint>? told = null)
    {
        using var model = Model();
        return new TokenStreamReader(model, chunk, bin).Read(ids, new Told(told ?? []), CancellationToken.None);
    }

    [Fact]
    public void Losses_do_not_depend_on_the_calls_that_a_text_is_cut_into()
    {
        var whole = Read(100, 100);

        Assert.Equal(2, whole.Count);
        foreach (var chunk in new[] { 1, 5, 50 })
            Assert.All(whole.Zip(Read(chunk, 100)), pair => Assert.Equal(pair.First.Loss, pair.Second.Loss, 1e-4));
    }

    [Fact]
    public void Every_bin_is_told_once_and_the_last_may_be_shorter()
    {
        var told = new List<StreamPoint>();
        var points = Read(8, 32, told);

        Assert.Equal(points, told);
        Assert.Equal([32L, 64, 96, 128, 160, 192, 200], points.Select(point => point.Tokens));
        Assert.Equal([false, false, false, false, false, false, true], points.Select(point => point.IsLast));
    }

    [Fact]
    public void The_state_stays_as_small_as_the_mask_says()
    {
        var points = Read(8, 8);

        Assert.True(points[^1].StateBytes <= 2 * points[8].StateBytes, $"{points[8].StateBytes} bytes after {points[8].Tokens} tokens, {points[^1].StateBytes} after {points[^1].Tokens}.");
    }

    [Fact]
    public void A_bin_that_is_no_whole_number_of_chunks_is_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => Read(8, 12));

        Assert.Contains("--bin", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stopped_stream_ends_at_the_next_call()
    {
        using var model = Model();
        using var stopped = new CancellationTokenSource();
        stopped.Cancel();

        Assert.Throws<OperationCanceledException>(() => new TokenStreamReader(model, 8, 8).Read(ids, new Told([]), stopped.Token));
    }

    [Fact]
    public void Reading_leaves_no_tensor()
    {
        using var model = Model();

        LiveTensors.Unchanged("a stream", () => _ = new TokenStreamReader(model, 8, 8).Read(ids, new Told([]), CancellationToken.None));
    }

    [Fact]
    public void A_line_and_a_picture_show_the_points()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "new", "stream.png");
        StreamPlot.Save(path, Read(8, 32));

        Assert.Equal([137, 80, 78, 71], File.ReadAllBytes(path)[..4]);
        Assert.Equal(
            "token 2,000/4,000  perplexity 2.00  1,000 tokens/s  state memory 1.5 MiB  resident memory 64.0 MiB",
            StreamDisplay.Line(new StreamPoint(2_000, 4_000, Math.Log(2), 3 << 19, 64 << 20, TimeSpan.FromSeconds(2))));
        var writer = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Interactive = InteractionSupport.No, Out = new AnsiConsoleOutput(writer) });
        new StreamDisplay(console).Run(progress =>
        {
            progress.Report(new StreamPoint(1, 1, 0, 0, 0, TimeSpan.FromSeconds(1)));
            return 0;
        });
        Assert.StartsWith("token 1/1  perplexity 1.00", writer.ToString(), StringComparison.Ordinal);
    }

    private sealed class Told(List<StreamPoint> points) : IProgress<StreamPoint>
    {
        public void Report(StreamPoint value) => points.Add(value);
    }
}

using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>A tiny published folder, its model with one line changed, and what the official code computes from it.</summary>
internal sealed class PublishedScene : IDisposable
{
    /// <summary>Folders of four families; the Gemmas have soft caps, sliding windows and two kinds of rotary positions.</summary>
    internal static readonly string[] Names = ["llama-gqa", "gpt2-base", "pythia-parallel", "gemma2", "gemma3-text"];

    private readonly SafetensorsReader expected;

    private PublishedScene(string folder, PublishedModel published)
    {
        (Folder, Published) = (folder, published);
        expected = new SafetensorsReader(Path.Combine(folder, "expected.safetensors"));
    }

    internal string Folder { get; }

    internal PublishedModel Published { get; }

    internal LanguageModel Model => Published.Model;

    internal static string PathOf(string name) => Path.Combine(GoldenSource.Repository.Root!, "core/models", name);

    internal static PublishedScene Load(string name, Action<LanguageModelBuilder>? change = null, ScalarType dtype = ScalarType.Float64) =>
        new(PathOf(name), PublishedModel.Load(PathOf(name), change, dtype: dtype));

    internal Tensor Expected(string tensor) => expected.Read(tensor);

    /// <summary>Logits of the folder's tokens in one call.</summary>
    internal Tensor Whole()
    {
        using var quiet = no_grad();
        return Model.call(Expected("input_ids"), null);
    }

    /// <summary>The same in calls of some tokens, over a carried state.</summary>
    internal Tensor Stepped(long length)
    {
        using var quiet = no_grad();
        var tokens = Expected("input_ids");
        using var state = Model.NewState(tokens.size(0));
        return cat([.. tokens.split(length, 1).Select(part => Model.call(part, new SequenceContext(state)))], 1);
    }

    /// <summary>Logits of the folder's ragged rows, zero at padding.</summary>
    internal Tensor Padded()
    {
        using var quiet = no_grad();
        var mask = Expected("padded.attention_mask");
        return Model.call(Expected("padded.input_ids"), new SequenceContext(null, mask - 1)).masked_fill(mask.eq(0).unsqueeze(-1), 0);
    }

    /// <summary>Everything that one model computes, by name.</summary>
    internal IEnumerable<(string Name, Tensor Logits)> All() => [("whole", Whole()), ("one by one", Stepped(1)), ("in fives", Stepped(5)), ("padded", Padded())];

    internal static double Distance(Tensor a, Tensor b) => (a - b).abs().max().ToDouble() / a.abs().max().ToDouble();

    public void Dispose()
    {
        expected.Dispose();
        Published.Dispose();
    }
}

/// <summary>A folder that is deleted with everything in it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("lmkit-composition-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

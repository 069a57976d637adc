using System.Globalization;
using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Opening a published folder against reading the bytes of its weights into memory that was just allocated.</summary>
internal static class PublishedLoadVersusFreshRead
{
    // At most 1.3 times as long, and at most 1.1 times the memory.
    private const double Target = 1 / 1.3;
    private const double MemoryTarget = 1 / 1.1;

    private const string Llama = """{ "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": LAYERS, "num_attention_heads": 12, "tie_word_embeddings": false }""";
    private const string Gpt2 = """{ "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": LAYERS, "n_head": 12 }""";

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Case("LLaMA, 134 M parameters, float32", Llama, ScalarType.Float32),
        Case("GPT-2, 124 M parameters, float32", Gpt2, ScalarType.Float32),
    ];

    internal static IReadOnlyList<MemoryCase> MemoryCases { get; } =
    [
        Memory("LLaMA, 134 M parameters, float32", Llama, ScalarType.Float32, null),
        Memory("GPT-2, 124 M parameters, float32", Gpt2, ScalarType.Float32, null),
        Memory("GPT-2, 124 M parameters, bfloat16 as float32", Gpt2, ScalarType.BFloat16, ScalarType.Float32),
    ];

    private static RatioCase Case(string name, string config, ScalarType type) =>
        new($"Opening a published folder vs reading its bytes: {name}", Target, Target, _ => Prepare(config, 12, type, null)) { IsSameComputation = false, IsFresh = true };

    private static MemoryCase Memory(string name, string config, ScalarType stored, ScalarType? loaded) =>
        new($"Opening a published folder: {name}", MemoryTarget, _ => Prepare(config, 12, stored, loaded), _ => Prepare(config, 1, stored, loaded)) { IsSameComputation = false, IsAnonymous = true };

    private static RatioSides Prepare(string config, int layers, ScalarType stored, ScalarType? loaded)
    {
        var folder = new Folder();
        var layout = PublishedLayout.FromJson(config.Replace("LAYERS", layers.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
        var builder = layout.CreateBuilder();
        builder.Dtype = stored;
        using (var model = builder.Build())
            layout.Save(folder.Path, model);
        var file = Path.Combine(folder.Path, "model.safetensors");
        var length = new FileInfo(file).Length * (loaded ?? stored).ElementSize() / stored.ElementSize();
        return new RatioSides(() => Read(file, length), Open, folder);

        Tensor[] Open()
        {
            using var published = PublishedModel.Load(folder.Path, dtype: loaded);
            return [zeros(1)];
        }
    }

    private static Tensor[] Read(string file, long length)
    {
        using var memory = empty([length], ScalarType.Byte);
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        var read = 0L;
        while (read < length)
        {
            using var piece = memory.narrow(0, read, Math.Min(1 << 24, length - read));
            var count = stream.ReadAtLeast(piece.bytes, (int)piece.numel(), throwOnEndOfStream: false);
            if (count == 0)
                stream.Position = 0; // memory of a wider type is filled with the bytes again
            read += count;
        }
        return [zeros(1)];
    }

    private sealed class Folder : IDisposable
    {
        internal string Path { get; } = Directory.CreateTempSubdirectory("lmkit-bench-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}

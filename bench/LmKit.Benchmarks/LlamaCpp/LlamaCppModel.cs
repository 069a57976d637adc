using LLama;
using LLama.Common;
using LLama.Native;

namespace LmKit.Benchmarks.LlamaCpp;

/// <summary>A LLaMA of ours, loaded by llama.cpp from a GGUF file in a temporary folder; it computes on one thread.</summary>
internal sealed class LlamaCppModel : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("lmkit-gguf-");
    private readonly ModelParams parameters;
    private readonly LLamaWeights weights;

    /// <summary>Writes the weights of a model of ours and loads them.</summary>
    internal LlamaCppModel(LanguageModel model, LlamaShape shape, uint contextLength)
    {
        LlamaCppLibrary.Silence();
        try
        {
            var path = Path.Combine(folder.FullName, "model.gguf");
            LlamaGguf.Write(path, model, shape, contextLength);
            parameters = new ModelParams(path)
            {
                ContextSize = contextLength,
                Threads = 1,
                BatchThreads = 1,
                GpuLayerCount = 0,
            };
            weights = LLamaWeights.LoadFromFile(parameters);
            if (!OperatingSystem.IsWindows())
                folder.Delete(recursive: true);   // what is mapped stays readable, and no crash can leave it behind
        }
        catch
        {
            Remove();
            throw;
        }
    }

    /// <summary>Where the file was written.</summary>
    internal string Folder => folder.FullName;

    /// <summary>A decoder that computes what ours does: keys and values in float32, and attention that rounds nothing.</summary>
    internal LlamaCppDecoder NewExactDecoder() =>
        new(weights.CreateContext(parameters with { TypeK = GGMLType.GGML_TYPE_F32, TypeV = GGMLType.GGML_TYPE_F32, FlashAttention = false }));

    /// <summary>A decoder with llama.cpp's defaults: keys and values in float16 and its own fused attention.</summary>
    internal LlamaCppDecoder NewDefaultDecoder() => new(weights.CreateContext(parameters));

    public void Dispose()
    {
        weights.Dispose();
        Remove();
    }

    private void Remove()
    {
        if (Directory.Exists(folder.FullName))
            folder.Delete(recursive: true);
    }
}

using LLama;
using LLama.Common;
using LLama.Native;

namespace LmKit.Benchmarks.LlamaCpp;

/// <summary>A LLaMA of ours, loaded by llama.cpp from a GGUF file in a temporary folder; it computes on one thread.</summary>
internal sealed class LlamaCppModel : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lmkit-gguf-");
    private readonly ModelParams _parameters;
    private readonly LLamaWeights _weights;

    /// <summary>Writes the weights of a model of ours and loads them.</summary>
    public LlamaCppModel(LanguageModel model, LlamaShape shape, uint contextLength)
    {
        LlamaCppLibrary.Silence();
        try
        {
            var path = Path.Combine(_folder.FullName, "model.gguf");
            LlamaGguf.Write(path, model, shape, contextLength);
            _parameters = new ModelParams(path)
            {
                ContextSize = contextLength,
                Threads = 1,
                BatchThreads = 1,
                GpuLayerCount = 0,
            };
            _weights = LLamaWeights.LoadFromFile(_parameters);
            if (!OperatingSystem.IsWindows())
            {
                _folder.Delete(recursive: true);   // what is mapped stays readable, and no crash can leave it behind
            }
        }
        catch
        {
            Remove();
            throw;
        }
    }

    /// <summary>Where the file was written.</summary>
    public string Folder => _folder.FullName;

    /// <summary>A decoder that computes what ours does: keys and values in float32, and attention that rounds nothing.</summary>
    public LlamaCppDecoder NewExactDecoder() =>
        new(_weights.CreateContext(_parameters with { TypeK = GGMLType.GGML_TYPE_F32, TypeV = GGMLType.GGML_TYPE_F32, FlashAttention = false }));

    /// <summary>A decoder with llama.cpp's defaults: keys and values in float16 and its own fused attention.</summary>
    public LlamaCppDecoder NewDefaultDecoder() => new(_weights.CreateContext(_parameters));

    public void Dispose()
    {
        _weights.Dispose();
        Remove();
    }

    private void Remove()
    {
        if (Directory.Exists(_folder.FullName))
        {
            _folder.Delete(recursive: true);
        }
    }
}

using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Loading a model folder against building the same model, reading each tensor, copying it and testing it by libtorch's
/// operations.</summary>
internal static class ModelLoadVersusReadAndCopy
{
    // 1 / 0.6: the loader used to work as the baseline does.
    private const double Target = 1.67;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
        [new("Loading a model vs read, copy and isfinite: 134 M parameters, float32", Target, Target, _ => Prepare()) { Tolerance = 0 }];

    private static RatioSides Prepare()
    {
        var folder = new Folder();
        using (var model = Build())
            model.Save(folder.Path);

        return new RatioSides(() => Some(Plain(folder.Path)), () => Some(LanguageModel.Load(folder.Path)), folder);

        // One number of each weight says that both sides loaded the same.
        static Tensor[] Some(LanguageModel model)
        {
            using (model)
                return [stack([.. ModuleTensors.Of(model).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Value.detach().view(-1)[-1])])];
        }
    }

    private static LanguageModel Plain(string folder)
    {
        var config = ModelConfig.FromJson(File.ReadAllText(Path.Combine(folder, "config.json")));
        var model = LanguageModel.Build(config, new ComponentRegistry(), CPU, ScalarType.Float32, initializes: false);
        using var frozen = no_grad();
        using var reader = new SafetensorsReader(Path.Combine(folder, "model.safetensors"));
        foreach (var (name, target) in ModuleTensors.Of(model))
        {
            using var tensor = reader.Read(name);
            target.copy_(tensor);
            using var scope = NewDisposeScope();
            if (!target.isfinite().all().item<bool>())
                throw new InvalidOperationException($"{name} is not finite.");
        }

        return model;
    }

    private static LanguageModel Build()
    {
        var builder = new LanguageModelBuilder { VocabSize = 32_000, ModelDim = 768, LayerCount = 12 };
        builder.Options.IsHeadTied = false;
        return builder.AddAttention(attention => attention.HeadCount = 12).AddRmsNorm().AddGatedMlp(gated => gated.MlpDim = 2048).Build();
    }

    private sealed class Folder : IDisposable
    {
        internal string Path { get; } = Directory.CreateTempSubdirectory("lmkit-bench-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}

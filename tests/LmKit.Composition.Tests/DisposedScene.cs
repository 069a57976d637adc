using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Something that works on a model again and again, and what is disposed meanwhile.</summary>
/// <param name="Work">One piece of work, on any thread; ends by itself when what it needs is gone.</param>
/// <param name="Disposed">What is disposed, in this order.</param>
/// <param name="Names">The names that the work's last exception may give.</param>
internal sealed record DisposedScene(Action Work, IReadOnlyList<IDisposable> Disposed, params string[] Names)
{
    private const long MaskId = 256;

    internal static IReadOnlyDictionary<string, Func<DisposedScene>> All { get; } = new Dictionary<string, Func<DisposedScene>>
    {
        ["attention"] = () => Generation(Builder().AddAttention(attention => attention.HeadCount = 4).AddRotary()),
        ["hybrid"] = () => Generation(Builder().AddH3().AddAttention(attention => attention.HeadCount = 4, layers: [1]).AddLambdaMask(lambda => lambda.LocalLength = 24).AddMonarchLinear()),
        ["packed"] = () => Generation(Builder().AddAttention(attention => attention.HeadCount = 4).AddPackedLinear().AddPackedLinear(sites: ["lm_head"])),
        ["six mixers"] = () => Generation(Builder(6).AddAttention(attention => attention.HeadCount = 4).AddH3(layers: [1]).AddS4D(layers: [2]).AddSelectiveScan(layers: [3]).AddLongConv(layers: [4]).AddShift(layers: [5])),
        ["adapters"] = () => Generation(Builder().AddAttention(attention => attention.HeadCount = 4).UseLora(lora => lora.Rank = 4)),
        ["denoiser"] = () => Generation(Bidirectional().AddAncestralSampler(MaskId, sampler => sampler.StepCount = 4)),
        ["diffusion transformer"] = Transformer,
        ["chat"] = Chat,
        ["training"] = () => Training(model => [model]),
        ["trainer"] = () => Training(model => []),
    };

    private static LanguageModelBuilder Builder(int layers = 2) => new() { VocabSize = 257, ModelDim = 64, LayerCount = layers };

    private static LanguageModelBuilder Bidirectional()
    {
        var builder = Builder();
        builder.Options.IsBidirectional = true;
        return builder.AddAttention(attention => attention.HeadCount = 4);
    }

    private static DisposedScene Generation(LanguageModelBuilder builder)
    {
        var model = builder.Build();
        var generator = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes);
        return new(() => generator.Generate(["a prompt of some length", "short"], new GenerationOptions { MaxOutputTokens = 24 }), [model], nameof(LanguageModel));
    }

    private static DisposedScene Transformer()
    {
        var transformer = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 257, ModelDim = 64, LayerCount = 2, HeadCount = 4 });
        var generator = new TextGenerator(new AncestralSampler(new LanguageModelDenoiser(transformer, MaskId), new DiffusionSamplerOptions { StepCount = 4 }), ModelTokenizer.Bytes);
        return new(() => generator.Generate(["a prompt of some length", "short"], new GenerationOptions { MaxOutputTokens = 24 }), [transformer], nameof(LanguageModel));
    }

    private static DisposedScene Chat()
    {
        var model = Builder().AddAttention(attention => attention.HeadCount = 4).Build();
        var client = model.AsChatClient(ModelTokenizer.Bytes);
        return new(() => client.GetResponseAsync("a prompt of some length", new ChatOptions { MaxOutputTokens = 24 }).GetAwaiter().GetResult(), [client, model], nameof(LanguageModel), "LmKit.LanguageModelChatClient");
    }

    // One trainer serves one thread: each piece of work is a run of its own over the same model.
    private static DisposedScene Training(Func<LanguageModel, IReadOnlyList<IDisposable>> alsoDisposed)
    {
        var model = Builder().AddAttention(attention => attention.HeadCount = 4).AddMonarchLinear().Build();
        var task = new RepeatedText(model);
        var trainer = new Trainer(task, new TrainingOptions { Steps = 1_000_000, LearningRate = 1e-4 });
        return new(() => trainer.Run(), [.. alsoDisposed(model), trainer], nameof(LanguageModel), nameof(Trainer)) { IsForOneThread = true };
    }

    /// <summary>Whether only one thread may do the work.</summary>
    internal bool IsForOneThread { get; private init; }

    private sealed class RepeatedText(LanguageModel model) : ILossTask
    {
        public nn.Module Model => model;

        public TrainingLoss NextLoss()
        {
            using var tokens = arange(0, 64, dtype: ScalarType.Int64).view(2, 32);
            return NextTokenLoss.Of(model, tokens);
        }

        public Estimate? Evaluate() => null;

        public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor>();

        public void Restore(IReadOnlyDictionary<string, Tensor> progress)
        {
        }
    }
}

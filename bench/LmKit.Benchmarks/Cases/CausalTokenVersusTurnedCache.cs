using LmKit.Benchmarks.LlamaCpp;
using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A token after a long context, dense float32 weights, against the same model from library operations over a cache of turned keys,
/// one thread each; with the causal mask, which computes the same, and with the Lambda mask, which sees less and is only held to the time.</summary>
/// <remarks>The context grows by the measured tokens, on both sides alike.</remarks>
internal static class CausalTokenVersusTurnedCache
{
    private const long window = 512;
    private const long starts = 10;

    private static readonly LlamaShape shape = new(LayerCount: 4, ModelDim: 256, HeadCount: 4, KeyValueHeadCount: 4, MlpDim: 688, VocabSize: 256);

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new(Name("Causal", 4096), 1, 1, random => Prepare(random, 4096, isLambda: false)),
        new(Name("Causal", 32_768), 1, 1, random => Prepare(random, 32_768, isLambda: false)),
        new(Name($"Lambda (L {window}, G {starts})", 32_768), 10, 10, random => Prepare(random, 32_768, isLambda: true)) { IsSameComputation = false },
    ];

    private static string Name(string mask, int context) =>
        $"{mask} token vs plain causal torch with a turned cache: after {context}, {shape.Sizes}, one thread";

    private static RatioSides Prepare(Generator random, int context, bool isLambda)
    {
        return Sides(random, shape, shape.Build(random, isPacked: false, Mask), context, spare: 8192);

        void Mask(LanguageModelBuilder builder)
        {
            if (isLambda)
                builder.AddLambdaMask(lambda => (lambda.LocalLength, lambda.GlobalLength) = (window, starts));
        }
    }

    /// <summary>A model's token against the library's operations over its weights.</summary>
    /// <param name="random">Draws the context.</param>
    /// <param name="shape">The model's sizes.</param>
    /// <param name="model">The model, which becomes the sides'.</param>
    /// <param name="context">Tokens before the first measured one.</param>
    /// <param name="spare">Tokens that can be measured.</param>
    internal static RatioSides Sides(Generator random, LlamaShape shape, LanguageModel model, int context, int spare)
    {
        using var frozen = no_grad();
        var plain = new TurnedCacheTransformer(model, shape, context + spare);
        var state = model.NewState(1);
        var text = shape.Text(random, context);
        var tokens = tensor(text, [1, context]);
        var token = tokens.narrow(1, 0, 1);
        Read();
        set_num_threads(1);
        var position = context;
        return new RatioSides(Plain, Ours, plain, state, model, tokens, token);

        // The plain side holds what ours computed for the context; all processors may help.
        void Read()
        {
            set_num_threads(Environment.ProcessorCount);
            var keys = new Tensor?[shape.LayerCount];
            var hooks = Enumerable.Range(0, shape.LayerCount).SelectMany(layer => new[]
            {
                model.HookPoints[$"layers.{layer}.mixer.k"].Attach(k => keys[layer] = k),
                model.HookPoints[$"layers.{layer}.mixer.v"].Attach(v =>
                {
                    plain.Hold(layer, keys[layer]!, v);
                    return v;
                }),
            }).ToList();
            model.Hidden(tokens, new SequenceContext(state)).Dispose();
            hooks.ForEach(hook => hook.Dispose());
        }

        Tensor[] Plain()
        {
            using var quiet = no_grad();
            return [plain.Step(token, position++)];
        }

        Tensor[] Ours()
        {
            using var quiet = no_grad();
            using var logits = model.call(token, new SequenceContext(state)); // (1, 1, V)
            return [logits.view(-1)];
        }
    }
}

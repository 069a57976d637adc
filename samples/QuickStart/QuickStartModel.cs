using Microsoft.Extensions.DependencyInjection;

namespace LmKit.QuickStart;

/// <summary>The model of this sample: an H3 hybrid with Monarch linears and one layer of Lambda-masked attention.</summary>
public static class QuickStartModel
{
    /// <summary>Registers the model and its sampler.</summary>
    public static void AddQuickStartModel(this IServiceCollection services, QuickStartSettings settings, int vocabSize, ulong seed) =>
        services.AddLanguageModel(model =>
            {
                model.VocabSize = vocabSize;
                model.ModelDim = settings.ModelDim;
                model.LayerCount = settings.LayerCount;
                model.Seed = seed;
            })
            .AddH3(h3 => h3.StateDim = 32)                                       // every layer ...
            .AddAttention(a => a.HeadCount = 4, layers: [settings.LayerCount / 2]) // ... except this one: the last one wins
            .AddMonarchLinear(m => m.BlockCount = 4)                               // every linear
            .AddLambdaMask(m => { m.GlobalLength = 4; m.LocalLength = 128; })
            .AddAutoregressiveSampler(s => { s.Temperature = 0.7; s.TopP = 0.95; });

    /// <summary>The packages whose kinds the model folder names.</summary>
    public static void AddKinds(ComponentRegistry kinds) => kinds.AddSsm().AddStructured().AddLongContext();
}

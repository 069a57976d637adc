using LmKit;
using Microsoft.Extensions.DependencyInjection;

namespace LmKit.Snippets;

internal static class ContainerSample
{
    internal static void Register(IServiceCollection services)
    {
        services.AddLanguageModel(model =>
            {
                model.VocabSize = 50_257;
                model.ModelDim = 768;
                model.LayerCount = 12;
            })
            .AddH3(h3 => h3.StateDim = 64)                            // LmKit.Ssm: every layer ...
            .AddAttention(a => a.HeadCount = 12, layers: [1, 6])      // ... except these
            .AddMonarchLinear(m => m.BlockCount = 4)                  // LmKit.Structured: every linear
            .AddLambdaMask(m => { m.GlobalLength = 10; m.LocalLength = 2_048; })   // LmKit.LongContext
            .AddAutoregressiveSampler(s => s.Temperature = 0.8);
    }
}

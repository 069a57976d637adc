using LmKit;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
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

    internal static void RegisterTrained(IServiceCollection services, IConfiguration configuration, string folder)
    {
        services.AddKeyedLanguageModel("chat", folder, kinds => kinds.AddSsm().AddStructured())   // a trained folder, with its tokenizer
            .AddLambdaMask(mask => mask.LocalLength = 2_048);                                     // what follows changes what is loaded
        services.AddKeyedLanguageModel("draft", configuration.GetSection("Models:Draft"), kinds => kinds.AddSsm());
        services.AddKeyedChatClient("chat", provider => provider.GetRequiredKeyedService<LanguageModel>("chat")
                .AsChatClient(provider.GetRequiredKeyedService<ModelTokenizer>("chat")))
            .UseLogging();
    }
}

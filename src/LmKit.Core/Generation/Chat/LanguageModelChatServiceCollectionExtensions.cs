using LmKit;
using Microsoft.Extensions.AI;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers language models as chat clients with a container.</summary>
public static class LanguageModelChatServiceCollectionExtensions
{
    /// <summary>Registers the container's language model as a singleton <see cref="IChatClient"/>, which the container disposes.</summary>
    /// <param name="services">The services; <c>AddLanguageModel</c>, or the app, registers the model.</param>
    /// <param name="tokenizer">Gives the model's tokenizer.</param>
    /// <param name="format">Gives how the model takes conversations; null for plain text.</param>
    /// <param name="configure">Fills the defaults of what requests leave open.</param>
    /// <remarks>For middleware around it take the overload with a name, since a client that wraps the container's own
    /// <see cref="IChatClient"/> and is registered as that would ask for itself without end.</remarks>
    public static IServiceCollection AddLmKitChatClient(
        this IServiceCollection services,
        Func<IServiceProvider, ModelTokenizer> tokenizer,
        Func<IServiceProvider, IChatFormat>? format = null,
        Action<LanguageModelChatOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return services.AddSingleton(provider => Create(provider, provider.GetRequiredService<ILanguageModel>(), tokenizer, format, configure));
    }

    /// <summary>Registers one of several models, the one that is registered under the same name, as a chat client under that name.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">The service key of model and client.</param>
    /// <param name="tokenizer">Gives the model's tokenizer.</param>
    /// <param name="format">Gives how the model takes conversations; null for plain text.</param>
    /// <param name="configure">Fills the defaults of what requests leave open.</param>
    /// <remarks>With Microsoft.Extensions.AI, middleware goes around it so:
    /// <c>services.AddChatClient(provider => provider.GetRequiredKeyedService&lt;IChatClient&gt;(name)).UseLogging();</c></remarks>
    public static IServiceCollection AddLmKitChatClient(
        this IServiceCollection services,
        string name,
        Func<IServiceProvider, ModelTokenizer> tokenizer,
        Func<IServiceProvider, IChatFormat>? format = null,
        Action<LanguageModelChatOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return services.AddKeyedSingleton(name, (provider, key) => Create(provider, provider.GetRequiredKeyedService<ILanguageModel>(key), tokenizer, format, configure));
    }

    private static IChatClient Create(
        IServiceProvider provider,
        ILanguageModel model,
        Func<IServiceProvider, ModelTokenizer> tokenizer,
        Func<IServiceProvider, IChatFormat>? format,
        Action<LanguageModelChatOptions>? configure)
    {
        var options = new LanguageModelChatOptions();
        configure?.Invoke(options);
        return model.AsChatClient(tokenizer(provider), format?.Invoke(provider), options);
    }
}

using LmKit;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers language models with a container.</summary>
public static class LanguageModelServiceCollectionExtensions
{
    /// <summary>Registers one model: a singleton <see cref="ILanguageModel"/> (and <see cref="LanguageModel"/>) and <see cref="ISampler"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Fills sizes and model-wide treatment.</param>
    /// <returns>The builder, for the packages' verbs; the model is built when it is first asked for, and the container disposes it. Registering again wins over the earlier registration.</returns>
    public static LanguageModelBuilder AddLanguageModel(this IServiceCollection services, Action<LanguageModelOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var builder = Create(configure);
        services.AddSingleton(_ => builder.Build());
        services.AddSingleton<ILanguageModel>(provider => provider.GetRequiredService<LanguageModel>());
        services.AddSingleton(provider => provider.GetRequiredService<LanguageModel>().CreateSampler());
        return builder;
    }

    /// <summary>Registers one of several models under a name, for keyed injection of the same services.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">The service key.</param>
    /// <param name="configure">Fills sizes and model-wide treatment.</param>
    /// <inheritdoc cref="AddLanguageModel(IServiceCollection, Action{LanguageModelOptions}?)" path="/returns"/>
    public static LanguageModelBuilder AddLanguageModel(this IServiceCollection services, string name, Action<LanguageModelOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        var builder = Create(configure);
        services.AddKeyedSingleton(name, (_, _) => builder.Build());
        services.AddKeyedSingleton<ILanguageModel>(name, (provider, key) => provider.GetRequiredKeyedService<LanguageModel>(key));
        services.AddKeyedSingleton(name, (provider, key) => provider.GetRequiredKeyedService<LanguageModel>(key).CreateSampler());
        return builder;
    }

    private static LanguageModelBuilder Create(Action<LanguageModelOptions>? configure)
    {
        var builder = new LanguageModelBuilder();
        configure?.Invoke(builder.Options);
        return builder;
    }
}

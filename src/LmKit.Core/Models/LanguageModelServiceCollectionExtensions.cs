using LmKit;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers language models with a container.</summary>
public static class LanguageModelServiceCollectionExtensions
{
    /// <summary>Registers one model: a singleton <see cref="ILanguageModel"/> (and <see cref="LanguageModel"/>) and <see cref="ISampler"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Fills sizes and model-wide treatment.</param>
    /// <returns>The builder, for the packages' verbs; the model is built when it is first asked for, and the container disposes it. A host
    /// checks the configuration when it starts (<see cref="OptionsValidationException"/>). Registering again wins over the earlier registration.</returns>
    public static LanguageModelBuilder AddLanguageModel(this IServiceCollection services, Action<LanguageModelOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var builder = Create(services, null, configure);
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
        var builder = Create(services, name, configure);
        services.AddKeyedSingleton(name, (_, _) => Named(name, builder.Build));
        services.AddKeyedSingleton<ILanguageModel>(name, (provider, key) => provider.GetRequiredKeyedService<LanguageModel>(key));
        services.AddKeyedSingleton(name, (provider, key) => provider.GetRequiredKeyedService<LanguageModel>(key).CreateSampler());
        return builder;
    }

    private static LanguageModelBuilder Create(IServiceCollection services, string? name, Action<LanguageModelOptions>? configure)
    {
        var builder = new LanguageModelBuilder();
        configure?.Invoke(builder.Options);
        // The same name again is another registration: the check is of the builder that wins.
        services.AddOptions<ModelStart>(name).Configure(start => start.Builder = builder).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<ModelStart>, ModelStartCheck>());
        return builder;
    }

    private static LanguageModel Named(string name, Func<LanguageModel> build)
    {
        try
        {
            return build();
        }
        catch (ConfigurationException error)
        {
            throw ConfigurationException.ForModel(name, error);
        }
    }

    /// <summary>What a host checks when it starts.</summary>
    private sealed class ModelStart
    {
        internal LanguageModelBuilder? Builder { get; set; }
    }

    private sealed class ModelStartCheck : IValidateOptions<ModelStart>
    {
        public ValidateOptionsResult Validate(string? name, ModelStart options)
        {
            try
            {
                _ = options.Builder!.Config.Describe(options.Builder.Kinds);
                return ValidateOptionsResult.Success;
            }
            catch (ConfigurationException error)
            {
                return ValidateOptionsResult.Fail(string.IsNullOrEmpty(name) ? error.Message : ConfigurationException.ForModel(name, error).Message);
            }
        }
    }
}

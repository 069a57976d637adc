using LmKit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers language models with a container.</summary>
/// <remarks>
/// <para>Each verb registers a singleton <see cref="LanguageModel"/>, which is the <see cref="ILanguageModel"/> too, and its
/// <see cref="ISampler"/>; a folder's verb also its <see cref="ModelTokenizer"/>, its <see cref="IChatFormat"/> and a <see cref="TextGenerator"/>, unless the
/// app registered its own before. A keyed verb registers the same under a key, for several models side by side. The model is made when it is first asked for, in
/// evaluation mode, and the container disposes it.</para>
/// <para>Each verb returns a builder. Verbs that follow on it add to what the section or the folder says, and change the model while it is made:
/// a mask, an adapter, a packed linear, a sampler, a device.</para>
/// <para>A host checks every model when it starts, without its weights in memory (<see cref="OptionsValidationException"/>): configuration, kinds,
/// files, names and shapes of weights, tokenizer, chat template. Registering again under the same key replaces the earlier model.</para>
/// <para>A chat client over the model comes from Microsoft.Extensions.AI:
/// <c>services.AddChatClient(provider => provider.GetRequiredService&lt;LanguageModel&gt;().AsChatClient(provider.GetRequiredService&lt;ModelTokenizer&gt;(),
/// provider.GetRequiredService&lt;IChatFormat&gt;())).UseLogging()</c>. So does an embedding generator:
/// <c>services.AddEmbeddingGenerator(provider => provider.GetRequiredService&lt;LanguageModel&gt;().AsEmbeddingGenerator(tokenizer))</c>.</para>
/// </remarks>
public static class LanguageModelServiceCollectionExtensions
{
    /// <summary>Registers a model of fresh weights.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Fills sizes and model-wide treatment.</param>
    /// <returns>The builder, for the verbs that compose the model.</returns>
    public static LanguageModelBuilder AddLanguageModel(this IServiceCollection services, Action<LanguageModelOptions>? configure = null) =>
        Configured(services, null, configure);

    /// <summary>Registers a model of fresh weights under a key.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The service key.</param>
    /// <param name="configure">Fills sizes and model-wide treatment.</param>
    /// <inheritdoc cref="AddLanguageModel(IServiceCollection, Action{LanguageModelOptions}?)" path="/returns"/>
    public static LanguageModelBuilder AddKeyedLanguageModel(this IServiceCollection services, string key, Action<LanguageModelOptions>? configure = null) =>
        Configured(services, Checked(services, key), configure);

    /// <summary>Registers a model of fresh weights that a section of the app's configuration describes.</summary>
    /// <param name="services">The services.</param>
    /// <param name="section">The keys of <see cref="LanguageModelOptions"/>, and a list <c>Components</c>. An entry of it has <c>Kind</c>, the kind's name;
    /// <c>Slot</c>, where the name stands for kinds of several slots; <c>Layers</c> and <c>Sites</c>, where it is not for all; and <c>Options</c>, by the
    /// names of the option class's properties. Read when the host starts and when the model is made. An unknown key is an error.</param>
    /// <param name="kinds">Adds the kinds of the packages in use, such as <c>kinds => kinds.AddSsm()</c>.</param>
    /// <returns>The builder, whose verbs add to what the section says.</returns>
    public static LanguageModelBuilder AddLanguageModel(this IServiceCollection services, IConfiguration section, Action<ComponentRegistry>? kinds = null) =>
        OfSection(services, null, section, kinds);

    /// <summary>Registers a model of fresh weights that a section of the app's configuration describes, under a key.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The service key.</param>
    /// <param name="section">What the model consists of.</param>
    /// <param name="kinds">Adds the kinds of the packages in use, such as <c>kinds => kinds.AddSsm()</c>.</param>
    /// <inheritdoc cref="AddLanguageModel(IServiceCollection, IConfiguration, Action{ComponentRegistry}?)"/>
    public static LanguageModelBuilder AddKeyedLanguageModel(this IServiceCollection services, string key, IConfiguration section, Action<ComponentRegistry>? kinds = null) =>
        OfSection(services, Checked(services, key), section, kinds);

    /// <summary>Registers a trained model that a folder holds, ours (<see cref="LanguageModel.Save"/>) or a published one (<see cref="PublishedModel.Load"/>), with its tokenizer where there is one.</summary>
    /// <param name="services">The services.</param>
    /// <param name="folder">The folder. A relative path is one of the directory that is current now.</param>
    /// <param name="kinds">Adds the kinds of the packages in use, such as <c>kinds => kinds.AddSsm()</c>.</param>
    /// <returns>The builder, whose verbs change the model while it is loaded, as <see cref="LanguageModel.Load"/> says.</returns>
    /// <exception cref="InvalidOperationException">The same folder was registered under the same key before.</exception>
    public static LanguageModelBuilder AddLanguageModel(this IServiceCollection services, string folder, Action<ComponentRegistry>? kinds = null) =>
        OfFolder(services, null, folder, kinds);

    /// <summary>Registers a trained model that a folder holds, with its tokenizer where there is one, under a key.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The service key.</param>
    /// <param name="folder">The folder. A relative path is one of the directory that is current now.</param>
    /// <param name="kinds">Adds the kinds of the packages in use, such as <c>kinds => kinds.AddSsm()</c>.</param>
    /// <inheritdoc cref="AddLanguageModel(IServiceCollection, string, Action{ComponentRegistry}?)"/>
    public static LanguageModelBuilder AddKeyedLanguageModel(this IServiceCollection services, string key, string folder, Action<ComponentRegistry>? kinds = null) =>
        OfFolder(services, Checked(services, key), folder, kinds);

    private static LanguageModelBuilder Configured(IServiceCollection services, string? key, Action<LanguageModelOptions>? configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        var model = new ContainerModel(key, null, null);
        configure?.Invoke(model.Builder.Options);
        return Register(services, model);
    }

    private static LanguageModelBuilder OfSection(IServiceCollection services, string? key, IConfiguration section, Action<ComponentRegistry>? kinds)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(section);
        var model = new ContainerModel(key, section, null);
        kinds?.Invoke(model.Builder.Kinds);
        return Register(services, model);
    }

    private static LanguageModelBuilder OfFolder(IServiceCollection services, string? key, string folder, Action<ComponentRegistry>? kinds)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var model = new ContainerModel(key, null, Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        kinds?.Invoke(model.Builder.Kinds);
        return Register(services, model);
    }

    private static LanguageModelBuilder Register(IServiceCollection services, ContainerModel model)
    {
        var key = model.Key;
        var earlier = services.Select(service => service.IsKeyedService ? null : service.ImplementationInstance).OfType<ContainerModel>().Where(other => other.Key == key).ToList();
        if (model.Folder is not null && earlier.Exists(other => other.Folder == model.Folder))
            throw new InvalidOperationException($"The folder '{model.Folder}' is registered as {model.Name} already; register it once, or again under another key.");
        foreach (var service in earlier.SelectMany(other => other.Services))
            _ = services.Remove(service);
        var before = services.ToHashSet<ServiceDescriptor>(ReferenceEqualityComparer.Instance);
        _ = services.AddKeyedSingleton(key, (_, _) => model.Build());
        _ = services.AddKeyedSingleton<ILanguageModel>(key, (provider, _) => Get<LanguageModel>(provider, key));
        _ = services.AddKeyedSingleton(key, (provider, _) => Get<LanguageModel>(provider, key).CreateSampler());
        if (model.Folder is not null)
        {
            services.TryAddKeyedSingleton(key, (_, _) => model.LoadTokenizer());
            services.TryAddKeyedSingleton(key, (provider, _) => model.LoadFormat(Get<ModelTokenizer>(provider, key)));
            services.TryAddKeyedSingleton(key, (provider, _) => model.CreateGenerator(Get<ISampler>(provider, key), Get<ModelTokenizer>(provider, key), Get<LanguageModel>(provider, key).VocabSize));
        }
        _ = services.AddSingleton(model);
        model.Services = [.. services.Where(service => !before.Contains(service))];
        _ = services.AddOptions<ModelStart>(key).Configure(start => start.Model = model).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<ModelStart>, ModelStartCheck>());
        return model.Builder;
    }

    // A container without keys serves the model without one.
    private static T Get<T>(IServiceProvider provider, string? key)
        where T : notnull => key is null ? provider.GetRequiredService<T>() : provider.GetRequiredKeyedService<T>(key);

    private static string Checked(IServiceCollection services, string key)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(key);
        return key;
    }
}

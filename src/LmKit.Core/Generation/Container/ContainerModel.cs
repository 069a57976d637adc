using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace LmKit;

/// <summary>A model that a container will make: what its builder was told, over a section or a folder where there is one.</summary>
/// <param name="key">The service key; null for the model without one.</param>
/// <param name="section">The section that describes it, or null.</param>
/// <param name="folder">The whole path of the folder that holds it, or null.</param>
internal sealed class ContainerModel(string? key, IConfiguration? section, string? folder)
{
    internal string? Key => key;

    internal string? Folder => folder;

    internal string Name => key is null ? "the model without a key" : $"model '{key}'";

    internal LanguageModelBuilder Builder { get; } = new();

    /// <summary>What it was registered with, which goes when another takes its place.</summary>
    internal IReadOnlyList<ServiceDescriptor> Services { get; set; } = [];

    internal LanguageModel Build() => Say(() =>
        folder is not null ? ModelFolder.Load(folder, Builder.Kinds, Change, Builder.Device, Builder.StatedDtype)
        : Whole(builder => builder.Build()));

    internal ModelTokenizer LoadTokenizer() => Say(() => TokenizerFiles.Load(folder!));

    internal IChatFormat LoadFormat(ModelTokenizer tokenizer) => Say(() => ChatTemplateFormat.Load(folder!, tokenizer));

    /// <summary>Finds what would keep it from being made, without its weights.</summary>
    internal void Check() => Say(() =>
    {
        if (folder is null)
            return Whole(builder => builder.Config.Describe(builder.Kinds).ParameterCount);
        var vocabSize = ModelFolder.Check(folder, Builder.Kinds, Change, Builder.StatedDtype);
        if (TokenizerFiles.IsIn(folder))
        {
            var tokenizer = TokenizerFiles.Load(folder, vocabSize);
            if (ChatTemplate.IsIn(folder))
                _ = ChatTemplateFormat.Load(folder, tokenizer, ChatTemplate.DefaultName, allowSpecialTokens: false, vocabSize);
        }
        return vocabSize;
    });

    internal TextGenerator CreateGenerator(ISampler sampler, ModelTokenizer tokenizer, long vocabSize) => Say(() =>
    {
        TokenizerFiles.CheckFit(tokenizer, vocabSize, folder!);
        return new TextGenerator(sampler, tokenizer, vocabSize);
    });

    // Null where nothing was added, so that the folder loads as it is.
    private Action<LanguageModelBuilder>? Change => Builder.IsUntouched ? null : builder => builder.Take(Builder);

    private T Whole<T>(Func<LanguageModelBuilder, T> use)
    {
        if (section is null)
            return use(Builder);
        var read = new ModelSection(section, Builder.Kinds);
        try
        {
            var whole = read.Read();
            (whole.Device, whole.Dtype) = (Builder.Device, Builder.Dtype);
            whole.Take(Builder);
            return use(whole);
        }
        catch (ConfigurationException error)
        {
            throw read.Placed(error);
        }
    }

    // Every fault names the key, and the folder where there is one.
    private T Say<T>(Func<T> make)
    {
        try
        {
            return make();
        }
        catch (ConfigurationException error) when (key is not null)
        {
            throw ConfigurationException.ForModel(key, error);
        }
        catch (Exception error) when (folder is not null && error is IOException or UnauthorizedAccessException or CheckpointMismatchException or ArgumentException or TemplateException)
        {
            throw new IOException($"{Name}: {(error.Message.Contains(folder!, StringComparison.Ordinal) ? "" : $"{folder}: ")}{error.Message}", error);
        }
    }
}

/// <summary>What a host checks when it starts.</summary>
internal sealed class ModelStart
{
    internal ContainerModel? Model { get; set; }
}

/// <summary>Checks a model when a host starts.</summary>
internal sealed class ModelStartCheck : IValidateOptions<ModelStart>
{
    public ValidateOptionsResult Validate(string? name, ModelStart options)
    {
        try
        {
            options.Model!.Check();
            return ValidateOptionsResult.Success;
        }
        catch (Exception error) when (error is ConfigurationException or IOException)
        {
            return ValidateOptionsResult.Fail(error.Message);
        }
    }
}

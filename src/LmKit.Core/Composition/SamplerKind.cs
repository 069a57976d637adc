namespace LmKit;

/// <summary>A kind of sampler.</summary>
public abstract class SamplerKind : ComponentKind
{
    private protected SamplerKind(string name, Type optionsType)
        : base(ComponentSlot.Sampler, name, optionsType)
    {
    }

    internal abstract ISampler Create(object options, ILanguageModel model);
}

/// <summary>A kind of sampler.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
/// <param name="name">The kind's name in configurations.</param>
/// <param name="create">Builds the component from validated options.</param>
public sealed class SamplerKind<TOptions>(string name, Func<TOptions, ILanguageModel, ISampler> create)
    : SamplerKind(name, typeof(TOptions))
    where TOptions : class, new()
{
    internal override ISampler Create(object options, ILanguageModel model) => create((TOptions)options, model);
}

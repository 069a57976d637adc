namespace LmKit;

/// <summary>The kinds of dictionaries that an app knows, by name.</summary>
/// <remarks>Knows those of LmKit.Interp from the start; nothing is found by scanning assemblies. Not thread-safe while kinds are added.</remarks>
public sealed class DictionaryRegistry
{
    private readonly Dictionary<string, DictionaryKind> kinds = InterpKinds.All.ToDictionary(kind => kind.Name);

    /// <summary>Adds a kind; adding the same kind again changes nothing.</summary>
    /// <exception cref="ArgumentException">Another kind has that name.</exception>
    public DictionaryRegistry Add(DictionaryKind kind)
    {
        ArgumentNullException.ThrowIfNull(kind);
        if (!kinds.TryAdd(kind.Name, kind) && kinds[kind.Name] != kind)
            throw new ArgumentException($"Another kind is already called '{kind.Name}' (package {kinds[kind.Name].Package}).", nameof(kind));
        return this;
    }

    internal DictionaryKind Find(string name, string package) => kinds.TryGetValue(name, out var kind)
        ? kind
        : throw new ConfigurationException("$.kind", $"'{StrictJson.Shown(name)}' is not a known dictionary kind. It comes from {StrictJson.Shown(package)}: run 'dotnet add package {package}' and add the kind to the registry.");

    internal DictionaryKind Of(Type optionsType) => kinds.Values.FirstOrDefault(kind => kind.OptionsType == optionsType)
        ?? throw new ArgumentException($"No kind has options of {optionsType.Name}; add it to the registry.", nameof(optionsType));
}

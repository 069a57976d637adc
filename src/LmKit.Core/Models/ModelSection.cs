using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace LmKit;

/// <summary>A model that a section of an app's configuration describes: sizes, and a list of components.</summary>
/// <param name="section">The section.</param>
/// <param name="kinds">The kinds that it may name beside Core's own.</param>
internal sealed class ModelSection(IConfiguration section, ComponentRegistry kinds)
{
    private const string List = "Components";
    private static readonly string[] members = ["Kind", "Slot", "Layers", "Sites", "Options"];

    private readonly List<(Kind Kind, string Path)> entries = [];

    private string Root => section is IConfigurationSection { Path: var path } ? path : "";

    /// <summary>What the section says.</summary>
    /// <exception cref="ConfigurationException">A key is unknown or its value is not one of its option; names the key with its whole path.</exception>
    internal LanguageModelBuilder Read()
    {
        if (!section.GetChildren().Any())
            throw new ConfigurationException(Root, "there is no such section, or it is empty; it describes a model by VocabSize, ModelDim, LayerCount and Components.");
        try
        {
            // Sizes that the section leaves out may come from verbs, so they are judged with these.
            var options = SectionOptions.Read(section, typeof(LanguageModelOptions), [List]).Deserialize<LanguageModelOptions>(OptionsJson.Settings)!;
            return LanguageModelBuilder.From(options, [.. Entries(section.GetSection(List))], kinds);
        }
        catch (ConfigurationException error)
        {
            throw Placed(error);
        }
    }

    /// <summary>A fault of a configuration that came from the section, said of the section's key.</summary>
    internal ConfigurationException Placed(ConfigurationException error)
    {
        var parts = error.Path.Split('.');
        if (parts is ["$", "model", ..])
            return ConfigurationException.At(Under(Root, Named(typeof(LanguageModelOptions), parts[2..])), error);
        if (parts is ["$", var component, ..] && Index(component) is { } index && index < entries.Count)
        {
            var (kind, path) = entries[index];
            var rest = parts[2..] is ["options", .. var inner] ? ["Options", .. Named(kind.OptionsType, inner)] : parts[2..].Select(Capital);
            return ConfigurationException.At(Under(path, rest), error);
        }
        return error;
    }

    private IEnumerable<ComponentEntry> Entries(IConfigurationSection list)
    {
        foreach (var entry in SectionOptions.Items(list))
        {
            SectionOptions.CheckKeys(entry, members, $"an entry of {List}");
            var kind = FindKind(entry);
            entries.Add((kind, entry.Path));
            var options = SectionOptions.Read(entry.GetSection("Options"), kind.OptionsType, []);
            var written = OptionsJson.Write(OptionsJson.Read(options, kind.OptionsType, $"$.components[{entries.Count - 1}].options"));
            yield return new ComponentEntry(kind.Slot, kind.Name, kind.Package, written, Array<int>(entry, "Layers"), Array<string>(entry, "Sites"));
        }
    }

    private Kind FindKind(IConfigurationSection entry)
    {
        var name = entry["Kind"] ?? throw new ConfigurationException($"{entry.Path}:Kind", "is missing; it is the name of a kind of component, such as attention.");
        var slot = entry["Slot"] is not { } stated ? null : Slots.All.FirstOrDefault(slot => slot.Name == stated)
            ?? throw new ConfigurationException($"{entry.Path}:Slot", $"'{StrictJson.Shown(stated)}' is not a slot; slots are {string.Join(", ", Slots.All)}.");
        var known = kinds.All.Concat(CoreKinds.All).Distinct().ToList();
        var found = known.Where(kind => kind.Name == name && (slot is null || kind.Slot == slot)).ToList();
        if (found.Count > 1)
            throw new ConfigurationException($"{entry.Path}:Kind", $"'{name}' is a kind of {string.Join(" and of ", found.Select(kind => kind.Slot.Name))}; say which by {entry.Path}:Slot.");
        var all = known.Where(kind => slot is null || kind.Slot == slot).Select(kind => kind.Name).Distinct().Order(StringComparer.Ordinal);
        return found.FirstOrDefault() ?? throw new ConfigurationException(
            $"{entry.Path}:Kind",
            $"'{StrictJson.Shown(name)}' is not a known kind{(slot is null ? "" : $" of {slot}")}; known are {string.Join(", ", all)}. Register its package's kinds, e.g. AddLanguageModel(section, kinds => kinds.Add...()).");
    }

    private static ImmutableArray<T>? Array<T>(IConfigurationSection entry, string name) =>
        SectionOptions.Convert(entry.GetSection(name), typeof(T[])) is { } list ? [.. list.Deserialize<T[]>(OptionsJson.Settings)!] : null;

    private static int? Index(string part) =>
        part.StartsWith("components[", StringComparison.Ordinal) && int.TryParse(part["components[".Length..].TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : null;

    // JSON's names become those of properties; "name[2]" becomes two keys.
    private static IEnumerable<string> Named(Type type, IEnumerable<string> parts) => parts.Select((part, at) =>
        at == 0 && type.GetProperties().FirstOrDefault(property => OptionsJson.JsonName(property) == part.Split('[')[0]) is { } property
            ? property.Name + part[part.Split('[')[0].Length..]
            : part);

    private static string Capital(string part) => char.ToUpperInvariant(part[0]) + part[1..];

    private static string Under(string path, IEnumerable<string> parts) =>
        string.Join(':', parts.Prepend(path).Where(part => part.Length > 0)).Replace("[", ":", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal);
}

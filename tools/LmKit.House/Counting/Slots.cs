using System.Reflection;
using System.Text.RegularExpressions;

namespace LmKit.House;

/// <summary>The places of a model that a component can fill.</summary>
internal static partial class Slots
{
    /// <summary>Those that the plan wants.</summary>
    internal static IReadOnlyList<string> Planned { get; } =
        ["mixer", "mask", "positions", "linear", "linear_wrapper", "feed_forward", "norm", "block", "embedding", "head", "sampler", "dictionary"];

    /// <summary>Those that Core has: the values of the public enum of slots, or the public static members that are a slot.</summary>
    internal static IReadOnlySet<string> Open()
    {
        var types = typeof(LanguageModelBuilder).Assembly.GetExportedTypes();
        var values = types.Where(type => type.IsEnum && type.Name == "ComponentSlot").SelectMany(Enum.GetNames);
        var members = from type in types
                      where !type.ContainsGenericParameters
                      from member in type.GetMembers(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)
                      where IsSlot((member as FieldInfo)?.FieldType ?? (member as PropertyInfo)?.PropertyType)
                      select member.Name;
        return values.Concat(members).Select(name => Words().Replace(name, "_$0").TrimStart('_').ToLowerInvariant()).ToHashSet();
    }

    private static bool IsSlot(Type? type) => type is { IsEnum: false } && type.Name.Split('`')[0] is "Slot" or "ComponentSlot";

    [GeneratedRegex("[A-Z]")]
    private static partial Regex Words();
}

using System.Reflection;

namespace LmKit.House;

/// <summary>The places of a model that a component can fill.</summary>
internal static class OpenSlots
{
    /// <summary>Those that the plan wants.</summary>
    internal static IReadOnlyList<string> Planned { get; } =
        ["mixer", "mask", "positions", "linear", "linear_wrapper", "feed_forward", "norm", "block", "embedding", "head", "sampler", "dictionary"];

    /// <summary>Those that a third party can fill: the slots of Core whose type lets anybody define a kind.</summary>
    internal static IReadOnlySet<string> Open() =>
        typeof(Slots).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(field => typeof(Slot).IsAssignableFrom(field.FieldType) && field.FieldType.GetMethods().Any(method => method.Name == "Define"))
            .Select(field => ((Slot)field.GetValue(null)!).Name).ToHashSet();
}

namespace LmKit;

/// <summary>A class or function that a pickle names and that is on the short list of harmless ones; it is never looked up or called.</summary>
internal sealed record PickleGlobal(string Module, string Name)
{
    internal bool IsAllowed => (Module, Name) is
        ("collections", "OrderedDict") or ("torch._utils", "_rebuild_tensor_v2") or ("torch._utils", "_rebuild_parameter")
        || (Module == "torch" && PickleStorages.Knows(Name));
}

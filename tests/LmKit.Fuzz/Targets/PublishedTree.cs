using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Modules with adapters under the names that a published adapter file uses; they compute nothing.</summary>
internal sealed class PublishedTree : nn.Module
{
    private const string Prefix = "base_model.model.";
    private const string First = ".lora_A.weight";

    /// <param name="folder">A valid adapter folder, whose names and shapes are taken.</param>
    internal PublishedTree(string folder)
        : base(nameof(PublishedTree))
    {
        var config = AdapterFile.ReadConfig(folder);
        using var reader = new SafetensorsReader(Path.Combine(folder, "adapter_model.safetensors"));
        var shapes = reader.Entries.ToDictionary(entry => entry.Name, entry => entry.Shape, StringComparer.Ordinal);
        var random = new Generator(1);
        foreach (var name in shapes.Keys.Where(name => name.EndsWith(First, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            var path = name[Prefix.Length..^First.Length];
            var (inputs, outputs) = (shapes[name][1], shapes[name.Replace(".lora_A.", ".lora_B.", StringComparison.Ordinal)][0]);
            var site = new LinearSite(path, 0, inputs, outputs, false, 0.02, new ParameterFactory(random, ScalarType.Float32));
            Place(this, path.Split('.'), new LoraLinear(config.Lora, new DenseLinear(site), site));
        }
    }

    private static void Place(nn.Module parent, ReadOnlySpan<string> path, nn.Module leaf)
    {
        if (path.Length == 1)
        {
            parent.register_module(path[0], leaf);
            return;
        }
        var name = path[0];
        var next = parent.named_children().FirstOrDefault(child => child.name == name).module;
        if (next is null)
            parent.register_module(name, next = new Branch(name));
        Place(next, path[1..], leaf);
    }

    private sealed class Branch(string name) : nn.Module(name);
}

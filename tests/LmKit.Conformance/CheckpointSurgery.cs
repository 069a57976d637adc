using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>Alters training checkpoints, for tests of what refuses them.</summary>
public static class CheckpointSurgery
{
    /// <summary>Rewrites one part of a checkpoint.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="part">The part.</param>
    /// <param name="change">Changes its tensors.</param>
    /// <param name="signs">Whether the header gets the new hash, so that nothing but the content itself can be at fault.</param>
    public static void ChangePart(string folder, string part, Action<Dictionary<string, Tensor>> change, bool signs = true)
    {
        ArgumentNullException.ThrowIfNull(change);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var file = Path.Combine(folder, part + ".safetensors");
        Dictionary<string, Tensor> tensors;
        using (var reader = new SafetensorsReader(file))
            tensors = reader.ReadAll();
        change(tensors);
        SafetensorsWriter.Save(file, tensors);
        if (signs)
            ChangeHeader(folder, header => header["parts"]![part] = ContentHash.Of(tensors));
    }

    /// <summary>Rewrites the header of a checkpoint.</summary>
    public static void ChangeHeader(string folder, Action<JsonObject> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        var path = HeaderFile(folder);
        var header = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(header);
        File.WriteAllText(path, header.ToJsonString());
    }

    /// <summary>The header's file.</summary>
    public static string HeaderFile(string folder) => Directory.EnumerateFiles(folder, "*.json").Single();
}

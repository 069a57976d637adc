using System.Security.Cryptography;
using System.Text;
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
            ChangeHeader(folder, header => header["parts"]![part] = Hash(tensors));
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

    /// <summary>The hash of a part, as the format defines it: names in ordinal order, each with its type, shape and bytes.</summary>
    public static string Hash(IReadOnlyDictionary<string, Tensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        using var all = new MemoryStream();
        foreach (var (name, tensor) in tensors.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            var head = Encoding.UTF8.GetBytes($"{name}\n{tensor.dtype}\n{string.Join(',', tensor.shape)}\n");
            all.Write(BitConverter.GetBytes((long)head.Length));
            all.Write(head);
            using var flat = tensor.contiguous().reshape(-1);
            all.Write(flat.bytes);
        }
        return Convert.ToHexStringLower(SHA256.HashData(all.ToArray()));
    }

    /// <summary>The header's file.</summary>
    public static string HeaderFile(string folder) => Directory.EnumerateFiles(folder, "*.json").Single();
}

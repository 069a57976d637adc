using System.Runtime.CompilerServices;
using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests.Issues;

[NoTensorLeak]
public sealed class Report09HostileStores : IDisposable
{
    private const string Info = """{"ModelId":"m","HookName":"h","ModelDim":4,"ShardRows":8,"Precision":"Full","HasTokens":true}""";
    private const string Shard = """{"File":"shard-000000.safetensors","RowCount":8,"Sha256":"00"}""";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("activation-store-CRASH-1/manifest.json")]
    [InlineData("activation-store-wrong-ArgumentNullException-153-manifest.json")]
    [InlineData("activation-store-wrong-ExternalException-792-manifest.json")]
    [InlineData("activation-store-wrong-NullReferenceException-912-manifest.json")]
    [InlineData("activation-store-wrong-OverflowException-828-manifest.json")]
    public void Manifests_that_were_found_are_refused_by_name(string name)
    {
        foreach (var file in Directory.GetFiles(Hostile("activation-store-CRASH-1")))
            File.Copy(file, folder[Path.GetFileName(file)]);
        File.Copy(Hostile(name), folder["manifest.json"], overwrite: true);
        Refused("");
    }

    [Theory]
    [InlineData(Shard, "null", "Shards[0]")]
    [InlineData("\"shard-000000.safetensors\"", "null", "")]
    [InlineData("\"shard-000000.safetensors\"", "\"..\"", "File")]
    [InlineData("\"shard-000000.safetensors\"", "\"../x\"", "File")]
    [InlineData("\"shard-000000.safetensors\"", "\"\\u0000\"", "File")]
    [InlineData("\"shard-000000.safetensors\"", "\"\\ud800\"", "surrogate")]
    [InlineData("\"RowCount\":8", "\"RowCount\":4294967296", "RowCount")]
    [InlineData("\"RowCount\":8", "\"RowCount\":0", "RowCount")]
    [InlineData("\"RowCount\":8", "\"RowCount\":8,\"RowCount\":8", "twice")]
    [InlineData("\"RowCount\":8,", "", "RowCount")]
    [InlineData(Shard, Shard + "," + Shard, "twice")]
    [InlineData("\"Full\"", "7", "")]
    [InlineData("\"ModelDim\":4", "\"ModelDim\":0", "Info")]
    [InlineData("\"ModelId\":\"m\"", "\"ModelId\":null", "")]
    [InlineData("\"Shards\":[", "\"More\":1,\"Shards\":[", "More")]
    public void A_damaged_manifest_is_refused_by_name_and_place(string from, string to, string said)
    {
        File.WriteAllText(folder["manifest.json"], $"{{\"Info\":{Info},\"Shards\":[{Shard}]}}".Replace(from, to, StringComparison.Ordinal));
        Refused(said);
    }

    [Theory]
    [InlineData(7, 4, true, "manifest says (8, 4)")]
    [InlineData(8, 3, true, "manifest says (8, 4)")]
    [InlineData(8, 4, false, "'tokens'")]
    public void A_shard_that_is_not_what_the_manifest_says_is_refused_though_its_hash_fits(long rows, long width, bool hasTokens, string said)
    {
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor> { ["acts"] = ones(rows, width) };
        foreach (var name in hasTokens ? (string[])["tokens", "seq", "pos"] : [])
            tensors[name] = zeros([rows], ScalarType.Int32);
        SafetensorsWriter.Save(folder["shard-000000.safetensors"], tensors);
        var shard = Shard.Replace("\"00\"", $"\"{ActivationManifest.Checksum(folder["shard-000000.safetensors"])}\"", StringComparison.Ordinal);
        File.WriteAllText(folder["manifest.json"], $"{{\"Info\":{Info},\"Shards\":[{shard}]}}");
        using var store = new ActivationStore(folder.Path);
        var error = Assert.Throws<ActivationStoreException>(() => store.NextRows(1));
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
        Assert.Contains("shard-000000.safetensors", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_called_that_and_another_writer_is()
    {
        var info = new ActivationStoreInfo("m", "h", 4);
        File.WriteAllText(folder["file"], "");
        Assert.Contains("nothing can be written", Assert.Throws<ActivationStoreException>(() => new ActivationStoreWriter(folder["file"], info)).Message, StringComparison.Ordinal);
        using var first = new ActivationStoreWriter(folder["store"], info);
        Assert.Contains("another writer", Assert.Throws<ActivationStoreException>(() => new ActivationStoreWriter(folder["store"], info)).Message, StringComparison.Ordinal);
    }

    private void Refused(string said)
    {
        var error = Assert.Throws<ActivationStoreException>(() =>
        {
            using var store = new ActivationStore(folder.Path);
            store.NextRows(30).Dispose();
        });
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    private static string Hostile(string name, [CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "Hostile", name);
}

using System.IO.Compression;
using LmKit.Conformance;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class AutoencoderFileTests
{
    [Fact]
    public void A_folder_of_no_known_layout_is_refused_with_the_known_ones()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("sae_weights.safetensors", Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder.Path)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder["missing"]));
    }

    [Fact]
    public void A_pickle_that_names_a_function_is_refused_by_its_name()
    {
        using var folder = new TemporaryFolder();
        Pack(folder["7.pt"], "cos\nsystem\n(X\u0004\0\0\0true"u8.ToArray());
        var error = Assert.Throws<PickleException>(() => AutoencoderFile.Load(folder.Path));
        Assert.Contains("os.system", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tensor_that_is_missing_is_named()
    {
        using var folder = new TemporaryFolder();
        Pack(folder["7.pt"], "}."u8.ToArray());
        Assert.Contains("latent_bias", Assert.Throws<CheckpointMismatchException>(() => AutoencoderFile.Load(folder.Path, new AutoencoderLoadOptions { ActiveCount = 3 })).Message, StringComparison.Ordinal);
        Assert.Contains("ActiveCount", Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_numpy_archives_are_refused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["params.npz"], "no archive");
        Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder.Path));
    }

    private static void Pack(string path, byte[] instructions)
    {
        using var archive = ZipFile.Open(path, ZipArchiveMode.Create);
        using var stream = archive.CreateEntry("7/data.pkl").Open();
        stream.Write(instructions);
    }
}

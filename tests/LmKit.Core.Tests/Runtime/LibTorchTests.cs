using TorchSharp;

namespace LmKit.Core.Tests;

public class LibTorchTests
{
    [Fact]
    public void Tensors_work_after_loading()
    {
        LibTorch.EnsureLoaded();
        using var tensor = torch.ones(2, 3);
        using var sum = tensor.sum();
        Assert.Equal(6f, sum.item<float>());
    }

    [Fact]
    public void The_remedy_says_so_where_it_acts()
    {
        LibTorch.EnsureLoaded();
        Assert.Equal(LibTorchCompatibility.Cost > TimeSpan.Zero, LibTorchCompatibility.Notice is not null);
    }

    [Fact]
    public void A_missing_libtorch_is_one_sentence_with_the_command()
    {
        var error = LibTorch.Explain([Path.GetTempPath()], new DllNotFoundException("x"));
        Assert.Contains("`dotnet add package TorchSharp-cpu`", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.IsType<DllNotFoundException>(error.InnerException);
    }

    [Fact]
    public void A_present_libtorch_that_fails_is_named_with_the_reason()
    {
        var error = LibTorch.Explain(NativeSearchPath.Directories(typeof(torch).Assembly), new DllNotFoundException("no GLIBCXX"));
        Assert.Contains("libtorch_cpu", error.Message, StringComparison.Ordinal);
        Assert.Contains("no GLIBCXX", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_copy_also_loads_from_a_private_folder()
    {
        if (!OperatingSystem.IsLinux())
            return;
        LibTorch.EnsureLoaded();
        var image = File.ReadAllBytes(NativeSearchPath.Find(NativeSearchPath.Directories(typeof(torch).Assembly), "libtorch.so")!);
        Assert.NotEqual(0, NativeImage.LoadFromPrivateFolder(image, "libtorch.so"));
        Assert.Equal(0, NativeImage.Load("not a library"u8, "x.so"));
    }
}

namespace LmKit.Architecture.Tests;

public class KernelFolderTests
{
    [Fact]
    public void A_kernel_folder_has_its_files() =>
        Offenders.None(
            "A kernel X is X.cs (entry), X.Reference.cs (the truth) and X.Cpu.cs; X.Cuda.cs and X.cu come together.",
            Repository.Packages.SelectMany(package => Repository.Folders($"src/{package}"))
                .Where(folder => folder.Split('/')[^2] == "Kernels")
                .SelectMany(folder => Missing(folder, [.. Repository.Files(folder, ".cs", ".cu").Select(file => file.Name)])));

    [Fact]
    public void A_CPU_kernel_alone_is_complete_and_half_a_CUDA_form_is_not()
    {
        string[] cpuOnly = ["Scan.cs", "Scan.Reference.cs", "Scan.Cpu.cs"];

        Assert.Empty(Missing("src/P/Kernels/Scan", cpuOnly));
        Assert.Empty(Missing("src/P/Kernels/Scan", [.. cpuOnly, "Scan.Cuda.cs", "Scan.cu"]));
        Assert.Equal(["src/P/Kernels/Scan: Scan.cu without Scan.Cuda.cs"], Missing("src/P/Kernels/Scan", [.. cpuOnly, "Scan.cu"]));
        Assert.Equal(["src/P/Kernels/Scan: no Scan.Reference.cs"], Missing("src/P/Kernels/Scan", ["Scan.cs", "Scan.Cpu.cs"]));
    }

    private static IEnumerable<string> Missing(string folder, string[] files)
    {
        var name = Path.GetFileName(folder);
        foreach (var needed in new[] { $"{name}.cs", $"{name}.Reference.cs", $"{name}.Cpu.cs" }.Except(files))
            yield return $"{folder}: no {needed}";

        var (launch, source) = ($"{name}.Cuda.cs", $"{name}.cu");
        if (files.Contains(launch) != files.Contains(source))
            yield return files.Contains(source) ? $"{folder}: {source} without {launch}" : $"{folder}: {launch} without {source}";
    }
}
